//! Where the spans of ended exchanges go.
//!
//! In: all spans of an exchange or failed connect, and its edge, by which a sink that cannot take all
//! of them shares its room.

use crate::span::{Edge, Span};

/// Takes the spans of exchanges and failed connects.
pub trait SpanSink {
    /// Takes all spans of one exchange or failed connect.
    fn add(&mut self, edge: &Edge, spans: Vec<Span>);
}

/// Takes all, in their order.
impl SpanSink for Vec<Vec<Span>> {
    fn add(&mut self, _: &Edge, spans: Vec<Span>) {
        self.push(spans);
    }
}
