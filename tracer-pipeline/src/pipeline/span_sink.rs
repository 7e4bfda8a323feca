//! Where the spans of ended exchanges go, and their summaries.
//!
//! In: all spans of an exchange or failed connect, and its edge, by which a sink that cannot take all
//! of them shares its room. A summary is made only where the sink takes it.

use crate::span::{Edge, Span, Summary};

/// Takes the spans of exchanges and failed connects.
pub trait SpanSink {
    /// Takes all spans of one exchange or failed connect.
    fn add(&mut self, edge: &Edge, spans: Vec<Span>);

    /// Whether it takes the summary of the next exchange. `has_spans`: its spans are exported; other
    /// exchanges carry no sampled trace context.
    fn takes_summary(&mut self, has_spans: bool) -> bool {
        let _ = has_spans;
        false
    }

    /// Takes the summary of an exchange or failed connect.
    fn summary(&mut self, summary: &Summary<'_>) {
        let _ = summary;
    }
}

/// Takes all, in their order.
impl SpanSink for Vec<Vec<Span>> {
    fn add(&mut self, _: &Edge, spans: Vec<Span>) {
        self.push(spans);
    }
}
