//! A trace to its row in the list. In: a merged tree and its calls. Out: JSON's row, and what a
//! comparison needs of the calls. Pure.

use super::model::{LongestHop, TraceRow};
use crate::call::Call;
use crate::call_sample::CallSample;
use crate::id::TraceId;
use crate::text::Text;
use crate::trace_summary::TraceSummary;
use crate::tree::{NodeId, Tree};

/// The index of each node in [`TraceView::spans`](super::model::TraceView), which are depth first.
pub(super) fn indexes(tree: &Tree<'_>) -> Vec<usize> {
    let mut indexes = vec![0; tree.nodes.len()];
    for (index, (node, _)) in tree.depth_first().into_iter().enumerate() {
        indexes[node] = index;
    }
    indexes
}

pub(super) fn row(
    trace: TraceId,
    tree: &Tree<'_>,
    summary: &TraceSummary,
    refused_spans: u64,
) -> TraceRow {
    let root = summary.root.map(|root| tree.nodes[root].span);
    let name = |text: Option<&Text>| text.map_or_else(String::new, Text::to_string);
    let indexes = indexes(tree);
    let longest = summary.longest_hops.iter();
    TraceRow {
        id: trace.to_string(),
        start_ms: milliseconds(tree.start_ns),
        duration_ns: summary.duration_ns,
        service: name(root.map(|root| &root.resource.service)),
        name: name(root.map(|root| &root.name)),
        services: strings(&summary.services),
        routes: strings(&summary.routes),
        application_spans: summary.application_spans,
        data_plane_spans: summary.data_plane_spans,
        application_ns: summary.split.application_ns,
        data_plane_ns: summary.split.data_plane_ns,
        longest_hops: longest
            .map(|longest| {
                let hop = tree.nodes[longest.hop].span;
                let edge = longest.edge.as_ref();
                LongestHop {
                    name: hop.hop_name().to_string(),
                    interface: hop.interface().map(Text::to_string),
                    duration_ns: hop.duration_ns(),
                    role: tree.nodes[longest.path]
                        .span
                        .role()
                        .map_or("", |r| r.as_str()),
                    edge: edge.map_or_else(String::new, |e| format!("{} → {}", e.client, e.server)),
                    span: indexes[longest.hop],
                }
            })
            .collect(),
        failures: summary.failures.clone(),
        incomplete: summary.is_incomplete,
        refused_spans,
    }
}

/// The calls of a trace, each with the index of its client's span.
pub(super) fn samples(trace: TraceId, tree: &Tree<'_>, calls: &[Call]) -> Vec<CallSample> {
    let indexes = indexes(tree);
    let samples = calls.iter().map(|call| CallSample::of(trace, tree, call));
    let indexed = samples.map(|sample| CallSample {
        client: indexes[sample.client] as NodeId,
        ..sample
    });
    indexed.collect()
}

/// Milliseconds since the Unix epoch.
pub(super) fn milliseconds(at_ns: u64) -> f64 {
    at_ns as f64 / 1e6
}

fn strings(texts: &[Text]) -> Vec<String> {
    texts.iter().map(Text::to_string).collect()
}
