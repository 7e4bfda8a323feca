//! The series of exchanges.

use super::*;
use crate::http::trace_context::SpanId;
use crate::span::{
    Detail, DetailChoice, ExchangeTrace, NamedExchange,
    exchange::tests::{
        exchange,
        halves::{client_half, server_half},
        with_context,
    },
    parties::sides,
    series_table::IDLE_NS,
};

const TRACE: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
const SECOND_NS: u64 = 1_000_000_000;

/// Takes an exchange; with its spans, if it is `exported`.
fn take(metrics: &mut EdgeMetrics, exchange: &Exchange, exported: bool) -> Vec<Span> {
    let sides = sides(exchange);
    with_context(|context| {
        let Some(trace) = ExchangeTrace::of(exchange).filter(|_| exported) else {
            metrics.exchange(&Measured::new(exchange, &sides, context));
            return Vec::new();
        };
        let traced = NamedExchange::new(exchange, &sides, context);
        let mut choice = DetailChoice::default();
        choice.set_detail(Detail::Hop);
        let spans = traced.spans(trace, 0, &mut choice);
        metrics.exchange(&traced.measured(Some(&spans)));
        spans
    })
}

/// `client service side requests` of each edge, sorted.
fn edges(metrics: &EdgeMetrics) -> Vec<String> {
    let edges = metrics.snapshot("node").edges;
    let line = |(key, times): &(EdgeKey, Arc<EdgeTimes>)| {
        let requests: u64 = times.requests.iter().sum();
        format!("{} {} {:?} {requests}", key.client, key.service, key.side)
    };
    let mut lines: Vec<String> = edges.iter().map(line).collect();
    lines.sort();
    lines
}

fn only_edge(metrics: &EdgeMetrics) -> Arc<EdgeTimes> {
    let edges = metrics.snapshot("node").edges;
    assert_eq!(edges.len(), 1);
    Arc::clone(&edges[0].1)
}

/// An exchange that calls this address, from another address.
fn calling(port: u16) -> Exchange {
    let mut exchange = exchange("");
    let journey = &mut exchange.request.journey;
    journey.conntrack = None;
    journey.sent.destination.set_port(port);
    exchange
}

/// The ids of the exemplars of a histogram.
fn exemplars(histogram: &Histogram) -> Vec<SpanId> {
    let exemplars = histogram.buckets().filter_map(|(_, _, exemplar)| exemplar);
    exemplars.map(|exemplar| exemplar.span.span_id).collect()
}

/// The id of the exported span of this name.
fn id(spans: &[Span], name: &str) -> SpanId {
    spans.iter().find(|span| span.name == name).unwrap().span_id
}

#[test]
fn an_exchange_is_counted_on_its_edge() {
    let mut metrics = EdgeMetrics::default();
    take(&mut metrics, &exchange(""), false);
    take(&mut metrics, &exchange(TRACE), true);
    // Without names, the rules name the service.
    assert_eq!(
        edges(&metrics),
        ["unknown default/web-manual:http Client 2"]
    );
    let times = only_edge(&metrics);
    assert_eq!(times.requests[RequestResult::Success as usize], 2);
    for (histogram, sum_ns) in [
        (&times.total, 330),
        (&times.data_plane, 190),
        (&times.connect, 130),
        (&times.request_queue, 10),
        (&times.response_queue, 10),
    ] {
        assert_eq!((histogram.count(), histogram.sum_ns()), (2, 2 * sum_ns));
    }
}

#[test]
fn exemplars_are_the_exported_spans() {
    let mut metrics = EdgeMetrics::default();
    let spans = take(&mut metrics, &exchange(TRACE), true);
    // In the same buckets, but without spans.
    take(&mut metrics, &exchange(TRACE), false);
    let times = only_edge(&metrics);
    let request = id(&spans, "request");
    assert_eq!(exemplars(&times.total), [request]);
    assert_eq!(exemplars(&times.data_plane), [request]);
    assert_eq!(exemplars(&times.connect), [id(&spans, "connect")]);
    assert_eq!(exemplars(&times.request_queue), [request]);
    assert_eq!(exemplars(&times.response_queue), [id(&spans, "response")]);
    for (role, _, histogram) in metrics.snapshot("node").services[0].1.hops() {
        assert_eq!(exemplars(histogram), [id(&spans, role.as_str())]);
    }
}

#[test]
fn hops_are_measured_where_there_are_spans() {
    let mut metrics = EdgeMetrics::default();
    take(&mut metrics, &exchange(""), false);
    assert!(metrics.snapshot("node").services.is_empty());
    let mut longer = exchange(TRACE);
    longer.response_end = crate::http::ResponseEnd::At(5_000);
    take(&mut metrics, &longer, true);
    let services = metrics.snapshot("node").services;
    assert_eq!(services[0].0.to_string(), "default/web-manual:http");
    let hops: Vec<String> = services[0]
        .1
        .hops()
        .map(|(role, hop, times)| format!("{role} {hop} {}", times.sum_ns()))
        .collect();
    // No `body`: the server sends in that time.
    let expected = [
        "connect client.stack 20",
        "connect netfilter.prerouting 20",
        "connect server.stack 70",
        "connect socket.queue 20",
        "request client.stack 10",
        "request netfilter.prerouting 10",
        "request socket.queue 10",
        "response client.stack 10",
        "response netfilter.prerouting 10",
        "response socket.queue 10",
    ];
    assert_eq!(hops, expected);
}

#[test]
fn each_node_has_its_side_and_its_spans() {
    let mut metrics = EdgeMetrics::default();
    let there = take(&mut metrics, &client_half(), true);
    let here = take(&mut metrics, &server_half(), true);
    let expected = [
        "unknown default/web-manual:http Client 1",
        "unknown unknown Server 1",
    ];
    assert_eq!(edges(&metrics), expected);
    for (key, times) in metrics.snapshot("node").edges {
        let (total, span) = match key.side {
            Side::Client => (1, id(&there, "request to wire")),
            Side::Server => (0, id(&here, "request from wire")),
        };
        assert_eq!(times.total.count(), total);
        assert_eq!(exemplars(&times.data_plane), [span]);
    }
}

#[test]
fn edges_beyond_the_bound_are_other_until_idle_ones_are_dropped() {
    let mut metrics = EdgeMetrics::default();
    let edge = |number: usize| {
        let service = EdgeLabel::of(EdgeEnd::Ruled(number.to_string().into()));
        EdgeKey {
            service,
            ..EdgeKey::of_both(EdgeLabel::other, Side::Client)
        }
    };
    for number in 0..MAX_EDGES {
        metrics.edges.value(edge(number), |key| key, 0);
    }
    take(&mut metrics, &exchange(""), false);
    assert!(edges(&metrics).contains(&"other other Client 1".to_owned()));
    metrics.set_now(IDLE_NS + SECOND_NS);
    assert_eq!(metrics.snapshot("node").edges_dropped, MAX_EDGES as u64 + 1);
    take(&mut metrics, &exchange(""), false);
    assert_eq!(
        edges(&metrics),
        ["unknown default/web-manual:http Client 1"]
    );
}

#[test]
fn one_edge_has_all_exchanges_if_they_are_summed() {
    let mut metrics = EdgeMetrics::default();
    metrics.sum_edges();
    take(&mut metrics, &calling(1), false);
    take(&mut metrics, &exchange(TRACE), true);
    assert_eq!(edges(&metrics), ["all all Client 2"]);
    assert_eq!(metrics.snapshot("node").services[0].0, EdgeLabel::all());
}

/// Addresses would be labels without end.
#[test]
fn what_has_no_name_is_unknown() {
    let mut metrics = EdgeMetrics::default();
    for port in 8_000..8_100 {
        take(&mut metrics, &calling(port), false);
    }
    assert_eq!(edges(&metrics).len(), 1, "{:?}", edges(&metrics));
}
