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
    let duplicates = losses.store.duplicates;
    let again = (duplicates > 0).then(|| {
        let text = format!("spans sent again and kept once: {}", count(duplicates));
        Line::of(Ink::Faint, text)
    });
    let again = again.map(|line| line.cut_to(style.width(), style.charset));
    let mut lines = problems(&loss_sentences(losses), style);
    lines.extend(again);
    lines
}

/// A line for each sentence about a problem.
pub(crate) fn problems(sentences: &[String], style: Style) -> Vec<Line> {
    let lines = sentences.iter().map(|sentence| {
        let line = Line::of(Ink::Problem, format!("! {sentence}"));
        line.cut_to(style.width(), style.charset)
    });
    lines.collect()
}

/// A sentence for each loss.
pub(crate) fn loss_sentences(losses: &Losses) -> Vec<String> {
    let store = &losses.store;
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
    let all = [
        (store.evicted_traces, evicted),
        (store.over_trace_limit, full),
        (losses.rejected_spans, rejected),
        (requests, not_forwarded),
    ];
    let lost = all.into_iter().filter(|(lost, _)| *lost > 0);
    lost.map(|(_, sentence)| sentence).collect()
}
