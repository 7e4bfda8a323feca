//! What a recording of real traffic gives the metrics: every exchange is counted, and exemplars are
//! spans that were made.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use tracer_pipeline::{
    pipeline::Pipeline,
    recording::Reader,
    span::{EdgeSnapshot, EdgeTimes, Histogram, Span},
};

/// One dispatch of HotROD, 13 exchanges.
const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/recordings/dispatch.hopspan"
);

fn replay(mut pipeline: Pipeline) -> (Vec<Span>, EdgeSnapshot) {
    let mut spans = Vec::new();
    for record in Reader::open(Path::new(RECORDING)).unwrap() {
        pipeline.replay(&record.unwrap(), &mut spans);
    }
    pipeline.finish(&mut spans);
    (spans.concat(), pipeline.edges())
}

fn histograms(times: &EdgeTimes) -> [&Histogram; 5] {
    [
        &times.total,
        &times.data_plane,
        &times.connect,
        &times.request_queue,
        &times.response_queue,
    ]
}

/// The ids of all exemplars.
fn exemplars(edges: &EdgeSnapshot) -> BTreeSet<(String, String)> {
    let of_edges = edges.edges.iter().flat_map(|(_, times)| histograms(times));
    let of_hops = edges.services.iter().flat_map(|(_, times)| times.hops());
    let all = of_edges.chain(of_hops.map(|(_, _, histogram)| histogram));
    let exemplars = all.flat_map(|histogram| histogram.buckets().filter_map(|(_, _, one)| one));
    let ids = exemplars.map(|exemplar| {
        let span = exemplar.span;
        (span.trace_id.to_string(), span.span_id.to_string())
    });
    ids.collect()
}

fn requests(edges: &EdgeSnapshot) -> u64 {
    let counts = edges.edges.iter().flat_map(|(_, times)| times.requests);
    counts.sum()
}

#[test]
fn every_exchange_is_counted_and_exemplars_are_spans() {
    let (spans, edges) = replay(Pipeline::new("node"));
    assert_eq!(requests(&edges), 13);
    let totals = edges.edges.iter().map(|(_, times)| times.total.count());
    assert_eq!(totals.sum::<u64>(), 13);
    let by_service: BTreeMap<String, u64> = edges
        .edges
        .iter()
        .map(|(key, times)| (key.service.to_string(), times.requests.iter().sum()))
        .collect();
    assert_eq!(by_service["hotrod/frontend:http"], 1, "{by_service:?}");
    let made: BTreeSet<(String, String)> = spans
        .iter()
        .map(|span| (span.trace_id.to_string(), span.span_id.to_string()))
        .collect();
    let exemplars = exemplars(&edges);
    assert!(exemplars.len() > 3, "{exemplars:?}");
    assert!(exemplars.is_subset(&made), "{exemplars:?}");
}

#[test]
fn exchanges_that_are_shed_are_counted_without_exemplars() {
    let mut pipeline = Pipeline::new("node");
    pipeline.limit_exchanges(0);
    let (spans, edges) = replay(pipeline);
    assert_eq!((spans.len(), requests(&edges)), (0, 13));
    assert!(exemplars(&edges).is_empty());
    assert!(edges.services.is_empty());
}

#[test]
fn edges_can_be_summed() {
    let mut pipeline = Pipeline::new("node");
    pipeline.sum_edges();
    let (_, edges) = replay(pipeline);
    assert_eq!(edges.edges.len(), 1);
    assert_eq!(edges.edges[0].0.client.to_string(), "all");
    assert_eq!(requests(&edges), 13);
}
