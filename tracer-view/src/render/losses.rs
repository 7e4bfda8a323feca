//! Sentences about spans that the viewer did not keep or pass on. In: counts. Out: a line for each
//! that is not zero.

use super::line::{Ink, Line};
use super::style::Style;
use crate::duration::count;
use crate::store::Counts;

/// Counts of spans that arrived and were not kept or passed on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Losses {
    /// The store's counts.
    pub store: Counts,
    /// Spans without valid ids.
    pub rejected_spans: u64,
    /// The number of requests that could not be forwarded, and of the spans in them.
    pub not_forwarded: (u64, u64),
}

/// A line for each loss.
pub fn losses(losses: &Losses, style: Style) -> Vec<Line> {
    let store = &losses.store;
    let problem =
        |n: u64, text: String| (n > 0).then(|| Line::of(Ink::Problem, format!("! {text}")));
    let evicted = format!(
        "oldest traces dropped: {} ({} spans); raise --max-traces or --max-spans",
        count(store.evicted_traces),
        count(store.evicted_spans)
    );
    let full = format!(
        "spans refused because their trace was full: {}",
        count(store.over_trace_limit)
    );
    let rejected = format!(
        "spans rejected for invalid ids: {}",
        count(losses.rejected_spans)
    );
    let (requests, spans) = losses.not_forwarded;
    let not_forwarded = format!(
        "requests not forwarded: {} ({} spans)",
        count(requests),
        count(spans)
    );
    let duplicates = format!(
        "spans sent again and kept once: {}",
        count(store.duplicates)
    );
    let lines = [
        problem(store.evicted_traces, evicted),
        problem(store.over_trace_limit, full),
        problem(losses.rejected_spans, rejected),
        problem(requests, not_forwarded),
        (store.duplicates > 0).then(|| Line::of(Ink::Faint, duplicates)),
    ];
    let cut = |line: Line| line.cut_to(style.width(), style.charset);
    lines.into_iter().flatten().map(cut).collect()
}
