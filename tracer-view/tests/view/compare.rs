//! Calls to the comparison and its table: numbers computed by hand, and exact text.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tracer_semconv::{HopName, Role, attribute, correlation};
use tracer_view::call_sample::CallSample;
use tracer_view::compare::{Calls, Comparison, Part};
use tracer_view::distribution::Distribution;
use tracer_view::hop_times::HopKind;
use tracer_view::render::{Style, table};
use tracer_view::tree::Tree;

use crate::decoded::{WIDE, store};
use crate::fixture::dispatch::dispatch;
use crate::fixture::{
    SpanBuilder, application, check_expected, data_plane, hop_span, role_span, span, spans_of,
    trace_id,
};
use crate::printed::{UTF8_80, UTF8_200, ascii, check_widths, text};

fn compare(requests: &[ExportTraceServiceRequest]) -> Comparison {
    let store = store(requests, WIDE);
    let samples = store
        .traces()
        .map(|trace| CallSample::all(trace.id, &Tree::new(&trace.spans)));
    let samples: Vec<_> = samples.collect();
    let mut calls = Calls::default();
    samples.iter().for_each(|samples| calls.add(samples));
    calls.compare()
}

/// One call from service `a` to service `b`. Times in microseconds: the client span, and in it
/// connect (0 for no connect), request path, its socket queue, server span and response path.
fn call(
    trace: u64,
    [client, connect, request, queue, server, response]: [u64; 6],
) -> Vec<ExportTraceServiceRequest> {
    let of_trace = |span: OtlpSpan| OtlpSpan {
        trace_id: trace_id(trace),
        ..span
    };
    let role =
        |id, parent, role, start, duration| of_trace(role_span(id, parent, role, start, duration));
    let hop =
        |id, parent, hop, start, duration| of_trace(hop_span(id, parent, hop, start, duration));
    let path = |id, kind, start, duration| role(id, 1, kind, start, duration).exchange(10);
    let mut net = vec![
        path(12, Role::Request, connect, request),
        hop(
            13,
            12,
            HopName::SocketQueue,
            connect + request - queue,
            queue,
        ),
        hop(14, 12, HopName::Veth, connect, request - queue),
        path(15, Role::Response, client - response, response),
    ];
    if connect > 0 {
        net.push(path(11, Role::Connect, 0, connect));
    }
    let client_span = of_trace(span(1, 0, "GET", 0, client)).kind(SpanKind::Client);
    let server_span = of_trace(span(2, 1, "GET", connect + request, server)).kind(SpanKind::Server);
    vec![
        application("a", vec![client_span]),
        application("b", vec![server_span]),
        data_plane(net),
    ]
}

/// Median and maximum.
fn spread(values: Option<Distribution>) -> Option<(i64, i64)> {
    values.map(|values| (values.median, values.max))
}

#[test]
fn medians_and_maxima_by_hand() {
    let requests = [
        call(1, [1_000, 100, 50, 20, 700, 50]),
        call(2, [500, 0, 40, 10, 400, 20]),
        call(3, [800, 0, 60, 30, 600, 40]),
        call(4, [600, 0, 45, 12, 480, 25]),
    ]
    .concat();
    let comparison = compare(&requests);
    assert_eq!((comparison.traces, comparison.edges.len()), (4, 1));
    let edge = &comparison.edges[0];
    assert_eq!(
        (edge.calls, edge.connected, edge.unseen, edge.incomplete),
        (4, 1, 0, 0)
    );
    // The median of four values is the mean of two, so medians are in half microseconds.
    let us = |median: i64, max: i64| Some((median * 500, max * 1_000));
    assert_eq!(spread(edge.client_span), us(1_400, 1_000));
    assert_eq!(spread(edge.server_span), us(1_080, 700));
    assert_eq!(spread(edge.connect), us(200, 100));
    assert_eq!(spread(edge.request), us(95, 60));
    assert_eq!(spread(edge.socket_queue), us(32, 30));
    assert_eq!(spread(edge.response), us(65, 50));
    // By call: data plane 200, 60, 100, 70; client rest 100, 40, 100, 50; share 20 %, 12 %, 12.5 %,
    // 11.6667 %.
    assert_eq!(spread(edge.data_plane), us(170, 200));
    assert_eq!(spread(edge.client), us(150, 100));
    assert_eq!(spread(edge.share_ppm), Some((122_500, 200_000)));
}

#[test]
fn an_exchange_without_a_response_path_is_in_no_sum() {
    let mut requests = [
        call(1, [1_000, 0, 50, 20, 700, 50]),
        call(2, [900, 0, 40, 20, 700, 30]),
    ]
    .concat();
    let spans = spans_of(&mut requests[2]);
    spans.retain(|span| span.name != Role::Response.as_str());
    let edge = &compare(&requests).edges[0];
    assert_eq!((edge.calls, edge.incomplete), (2, 1));
    assert_eq!(spread(edge.data_plane), Some((70_000, 70_000)));
    assert_eq!(spread(edge.request), Some((45_000, 50_000)));
    assert_eq!(spread(edge.client), Some((130_000, 130_000)));
}

/// A client that tries again under one span: the parts of both exchanges count.
#[test]
fn exchanges_of_one_client_span_are_added_up() {
    let mut requests = call(1, [1_000, 100, 50, 20, 700, 50]);
    let spans = spans_of(&mut requests[2]);
    let again = [
        role_span(21, 1, Role::Request, 850, 30),
        role_span(22, 1, Role::Response, 900, 20),
    ];
    spans.extend(again.map(|span| span.exchange(20)));
    // A connect that failed while this request was being served is of another call.
    spans.push(
        role_span(23, 1, Role::Connect, 300, 200)
            .text(attribute::CORRELATION, correlation::INFERRED),
    );
    let edge = &compare(&requests).edges[0];
    assert_eq!((edge.calls, edge.connected, edge.incomplete), (1, 1, 0));
    assert_eq!(spread(edge.connect), Some((100_000, 100_000)));
    assert_eq!(spread(edge.request), Some((80_000, 80_000)));
    assert_eq!(spread(edge.response), Some((70_000, 70_000)));
    assert_eq!(spread(edge.data_plane), Some((250_000, 250_000)));
}

/// The rest of a body comes as the server sends it.
#[test]
fn a_body_is_no_time_of_the_data_plane() {
    let mut requests = call(1, [1_000, 0, 50, 20, 700, 200]);
    spans_of(&mut requests[2]).push(hop_span(16, 15, HopName::Body, 850, 150));
    let comparison = compare(&requests);
    let edge = &comparison.edges[0];
    assert_eq!(spread(edge.response), Some((50_000, 50_000)));
    assert_eq!(spread(edge.data_plane), Some((100_000, 100_000)));
    assert_eq!(spread(edge.body), Some((150_000, 150_000)));
    let note = "not data-plane time";
    assert!(text(&table(&comparison, UTF8_200), false).contains(note));
    let without = compare(&call(1, [1_000, 0, 50, 20, 700, 200]));
    assert!(!text(&table(&without, UTF8_200), false).contains(note));
}

#[test]
fn a_server_without_spans_is_named_by_its_address() {
    let mut requests = call(1, [1_000, 0, 50, 20, 700, 50]);
    requests.remove(1);
    let request = &mut spans_of(&mut requests[1])[0];
    *request = request
        .clone()
        .text(attribute::NAT_ORIGINAL, "10.96.0.9:80");
    let edge = &compare(&requests).edges[0];
    assert_eq!(
        (edge.edge.client.as_str(), edge.edge.server.as_str()),
        ("a", "10.96.0.9:80")
    );
    assert_eq!((edge.server_span, edge.client), (None, None));
    assert_eq!(spread(edge.data_plane), Some((100_000, 100_000)));
}

#[test]
fn parts_longer_than_the_client_span_give_a_negative_rest() {
    let edge = &compare(&call(1, [1_000, 0, 300, 20, 900, 50])).edges[0];
    assert_eq!(spread(edge.client), Some((-250_000, -250_000)));
}

#[test]
fn a_table_of_thirty_dispatches() {
    let mut requests: Vec<_> = (1..=30).flat_map(dispatch).collect();
    requests.extend(call(31, [1_000, 0, 50, 20, 700, 50]));
    spans_of(requests.last_mut().unwrap()).truncate(1);
    let comparison = compare(&requests);
    let printed = |style: Style| {
        let lines = table(&comparison, style);
        check_widths(&lines, style);
        text(&lines, false)
    };
    check_expected("table-80.txt", &printed(UTF8_80));
    check_expected("table-200.txt", &printed(UTF8_200));
    check_expected("table-140-ascii.txt", &printed(ascii(140)));
    for width in (Style::MIN_WIDTH..250).step_by(7) {
        printed(Style { width, ..UTF8_80 });
    }
}

#[test]
fn no_calls_give_one_line() {
    let lone = [application("a", vec![span(1, 0, "GET", 0, 5)])];
    assert_eq!(
        text(&table(&compare(&lone), UTF8_80), false),
        "no calls between services in 1 trace\n"
    );
    assert_eq!(
        text(&table(&compare(&[]), UTF8_80), false),
        "no calls between services in 0 traces\n"
    );
}

/// Means of parts add up to the mean of the whole. A call without a server is of another edge.
#[test]
fn where_the_time_goes_adds_up() {
    let mut requests = [
        call(1, [1_000, 100, 50, 20, 700, 50]),
        call(2, [500, 0, 40, 10, 400, 20]),
        call(3, [800, 0, 60, 30, 600, 40]),
    ]
    .concat();
    requests.remove(7);
    let edge = &compare(&requests).edges[0];
    let names: Vec<&str> = edge.parts.iter().map(|(part, _)| part.name()).collect();
    let expected = [
        "application",
        "client",
        "connect",
        "veth and bridge",
        "socket queue",
        "other hops",
    ];
    assert_eq!(names, expected);
    let mean = |part: Part| {
        let mut parts = edge.parts.iter();
        parts.find(|(other, _)| *other == part).unwrap().1.mean
    };
    assert_eq!(mean(Part::Application), 550_000);
    assert_eq!(mean(Part::Connect), 50_000);
    assert_eq!(mean(Part::Hops(HopKind::SocketQueue)), 15_000);
    let sum: i64 = edge.parts.iter().map(|(_, part)| part.mean).sum();
    assert_eq!(sum, 750_000);
    let worst: Vec<u64> = edge.worst.iter().map(|c| c.times.client_span_ns).collect();
    assert_eq!(worst, [1_000_000, 500_000]);
    assert_eq!(
        edge.worst[0].longest_hop.as_ref().unwrap().as_str(),
        HopName::Veth.as_str()
    );
}

/// Without spans of the application the exchange is the call, and what its server took is the time
/// between the paths.
#[test]
fn an_exchange_that_is_a_root_is_a_call() {
    let path = |id, role, start, duration| role_span(id, 1, role, start, duration).exchange(10);
    let request = path(2, Role::Request, 0, 50)
        .text("hopspan.source.k8s.deployment.name", "web")
        .text("k8s.service.name", "cart")
        .text("error.type", "timeout");
    let request = failed(request);
    let spans = vec![
        role_span(1, 0, Role::Exchange, 0, 400).exchange(10),
        request,
        path(3, Role::Response, 350, 40),
    ];
    let comparison = compare(&[data_plane(spans)]);
    let edge = &comparison.edges[0];
    assert_eq!(
        (edge.edge.client.as_str(), edge.edge.server.as_str()),
        ("web", "cart")
    );
    assert_eq!(spread(edge.client_span), Some((400_000, 400_000)));
    assert_eq!(spread(edge.server_span), Some((300_000, 300_000)));
    assert_eq!(spread(edge.data_plane), Some((90_000, 90_000)));
    assert_eq!(edge.failures, [("error: timeout".to_owned(), 1)]);
}

/// With the status that OTLP marks a failure by.
fn failed(mut span: OtlpSpan) -> OtlpSpan {
    span.status = Some(Status {
        code: StatusCode::Error as i32,
        ..Status::default()
    });
    span
}
