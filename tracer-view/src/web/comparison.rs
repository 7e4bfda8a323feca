//! A comparison as JSON. In: the comparison of calls. Out: the same for the page. Pure.

use super::model::{Bucket, Comparison, EdgeView, FailureCount, PartView, Quantity, WorstCall};
use super::row::milliseconds;
use crate::call_sample::CallSample;
use crate::compare::{self, EdgeTimes};
use crate::distribution::{self, Distribution};
use crate::text::Text;

/// `starts_ns` are the starts of the first and the last trace.
pub(super) fn comparison(
    comparison: &compare::Comparison,
    starts_ns: Option<(u64, u64)>,
) -> Comparison {
    Comparison {
        traces: comparison.traces,
        from_ms: starts_ns.map(|(first, _)| milliseconds(first)),
        to_ms: starts_ns.map(|(_, last)| milliseconds(last)),
        edges: comparison.edges.iter().map(edge).collect(),
    }
}

fn edge(times: &EdgeTimes) -> EdgeView {
    EdgeView {
        client: times.edge.client.to_string(),
        server: times.edge.server.to_string(),
        calls: times.calls,
        connected: times.connected,
        unseen: times.unseen,
        incomplete: times.incomplete,
        failures: times
            .failures
            .iter()
            .map(|(reason, count)| FailureCount {
                reason: reason.clone(),
                count: *count,
            })
            .collect(),
        total: times.client_span.map(quantity),
        data_plane: times.data_plane.map(quantity),
        parts: times
            .parts
            .iter()
            .map(|(part, all)| PartView {
                name: part.name(),
                quantity: quantity(*all),
            })
            .collect(),
        total_histogram: histogram(&times.client_span_histogram),
        data_plane_histogram: histogram(&times.data_plane_histogram),
        worst: times.worst.iter().map(worst).collect(),
    }
}

fn quantity(all: Distribution) -> Quantity {
    Quantity {
        calls: all.values,
        median_ns: all.median,
        p99_ns: all.p99,
        max_ns: all.max,
        mean_ns: all.mean,
    }
}

fn histogram(buckets: &[distribution::Bucket]) -> Vec<Bucket> {
    let buckets = buckets.iter().map(|bucket| Bucket {
        from_ns: bucket.from,
        to_ns: bucket.to,
        calls: bucket.values,
    });
    buckets.collect()
}

fn worst(call: &CallSample) -> WorstCall {
    WorstCall {
        trace: call.trace.to_string(),
        span: call.client,
        start_ms: milliseconds(call.start_ns),
        total_ns: call.times.client_span_ns,
        data_plane_ns: call.times.data_plane_ns().unwrap_or(0),
        longest_hop: call.longest_hop.as_ref().map(Text::to_string),
    }
}
