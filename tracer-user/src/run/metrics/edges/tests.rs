//! The text of known series.

use std::sync::Arc;

use tracer_pipeline::{
    http::trace_context::{SpanId, TraceId},
    span::{EdgeEnd, EdgeLabel, ExportedSpan},
};

use super::*;

fn label(namespace: &str, name: &str) -> EdgeLabel {
    EdgeLabel::of(EdgeEnd::Named(Some(namespace.into()), name.into()))
}

fn edge() -> EdgeKey {
    EdgeKey {
        client: label("shop", "frontend"),
        service: EdgeLabel::of(EdgeEnd::Ruled("shop/web:http".into())),
        side: Side::Client,
    }
}

/// One request in each family.
fn snapshot() -> EdgeSnapshot {
    let span = ExportedSpan {
        trace_id: TraceId([0xab; 16]),
        span_id: SpanId([0x12; 8]),
        at_unix_ns: 1_700_000_000_250_000_000,
    };
    let mut times = EdgeTimes::default();
    times.requests[RequestResult::Success as usize] = 2;
    times.total.add(340_000_000, Some(span));
    times.total.add(2_000_000, None);
    times.data_plane.add(90_000, Some(span));
    times.connect.add(120_000, Some(span));
    times.request_queue.add(7_000, None);
    times.response_queue.add(20_000_000_000, Some(span));
    EdgeSnapshot {
        node: "node-1".into(),
        edges: vec![(edge(), Arc::new(times))],
        edges_dropped: 3,
        services_dropped: 1,
        ..EdgeSnapshot::default()
    }
}

fn check(text: &str, expected: &[&str]) {
    for line in expected {
        assert!(
            text.lines().any(|found| found == *line),
            "no line {line:?} in\n{text}"
        );
    }
}

#[test]
fn each_family_has_its_labels_and_exemplars() {
    let mut text = String::new();
    histograms(&mut text, &snapshot());
    check(
        &text,
        &[
            "# TYPE hopspan_request_duration_seconds histogram",
            r#"hopspan_request_duration_seconds_bucket{node="node-1",client="shop/frontend",service="shop/web:http",side="client",le="0.0025"} 1"#,
            r#"hopspan_request_duration_seconds_bucket{node="node-1",client="shop/frontend",service="shop/web:http",side="client",le="0.5"} 2 # {trace_id="abababababababababababababababab",span_id="1212121212121212"} 0.34 1700000000.250"#,
            r#"hopspan_request_duration_seconds_sum{node="node-1",client="shop/frontend",service="shop/web:http",side="client"} 0.342"#,
            r#"hopspan_data_plane_duration_seconds_count{node="node-1",client="shop/frontend",service="shop/web:http",side="client"} 1"#,
            r#"hopspan_connect_duration_seconds_count{node="node-1",client="shop/frontend",service="shop/web:http",side="client"} 1"#,
            r#"hopspan_socket_queue_duration_seconds_bucket{node="node-1",client="shop/frontend",service="shop/web:http",side="client",message="request",le="1e-05"} 1"#,
            r#"hopspan_socket_queue_duration_seconds_bucket{node="node-1",client="shop/frontend",service="shop/web:http",side="client",message="response",le="10.0"} 0"#,
            "# TYPE hopspan_hop_duration_seconds histogram",
        ],
    );
}

#[test]
fn every_histogram_says_which_requests_it_covers() {
    let mut text = String::new();
    histograms(&mut text, &snapshot());
    let helps: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("# HELP "))
        .collect();
    assert_eq!(helps.len(), EDGE_FAMILIES.len() + 1);
    for help in helps {
        let is_covered = help.contains("--follow-all") || help.contains("requests with spans");
        assert!(is_covered, "{help}");
    }
}

/// OpenMetrics forbids a repeated series.
#[test]
fn edges_are_in_order_and_occur_once() {
    let mut edges = snapshot();
    for name in ["c", "a", "b"] {
        let service = label("shop", name);
        let key = EdgeKey { service, ..edge() };
        edges.edges.push((key, Arc::clone(&edges.edges[0].1)));
    }
    let mut text = String::new();
    histograms(&mut text, &edges);
    let family = "hopspan_connect_duration_seconds_count{";
    let series: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(family))
        .collect();
    assert_eq!(series.len(), 4);
    assert!(series.is_sorted(), "{series:#?}");
}
