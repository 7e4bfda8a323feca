//! Calls to the table: numbers by hand, and exact text.

use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tracer_semconv::{HopName, Role, attribute};
use tracer_view::call::Call;
use tracer_view::compare::{Calls, Comparison, Spread};
use tracer_view::decode::decode;
use tracer_view::render::{Charset, Style, table};
use tracer_view::store::{Limits, Store};
use tracer_view::tree::Tree;

use crate::fixture::dispatch::dispatch;
use crate::fixture::{
    SpanBuilder, application, check_expected, data_plane, hop_span, role_span, span, trace_id,
};
use crate::waterfall::{UTF8_80, UTF8_200, text};

fn compare(requests: &[ExportTraceServiceRequest]) -> Comparison {
    let mut store = Store::new(Limits {
        traces: 1_000,
        spans: 1_000_000,
        spans_per_trace: 100_000,
    });
    for request in requests {
        store.insert(decode(request).spans, Instant::now());
    }
    let mut calls = Calls::default();
    store
        .traces()
        .for_each(|trace| calls.add(&Call::all(&Tree::new(&trace.spans))));
    calls.compare()
}

/// One call of `client_us`, of which connect (0 for none), request, queue, server and response take their part.
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
    let mut net = vec![
        role(10, 1, Role::Exchange, 0, client),
        role(12, 10, Role::Request, connect, request),
        hop(
            13,
            12,
            HopName::SocketQueue,
            connect + request - queue,
            queue,
        ),
        hop(14, 12, HopName::Veth, connect, request - queue),
        role(15, 10, Role::Response, client - response, response),
    ];
    if connect > 0 {
        net.push(role(11, 10, Role::Connect, 0, connect));
    }
    let client_span = of_trace(span(1, 0, "GET", 0, client)).kind(SpanKind::Client);
    let server_span = of_trace(span(2, 1, "GET", connect + request, server)).kind(SpanKind::Server);
    vec![
        application("a", vec![client_span]),
        application("b", vec![server_span]),
        data_plane(net),
    ]
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
    let us = |median: i64, max: i64| {
        Some(Spread {
            median: median * 500,
            max: max * 1_000,
        })
    };
    // Medians of four are means of two, so they are written in half microseconds.
    assert_eq!(edge.client_span, us(1_400, 1_000));
    assert_eq!(edge.server_span, us(1_080, 700));
    assert_eq!(edge.connect, us(200, 100));
    assert_eq!(edge.request, us(95, 60));
    assert_eq!(edge.socket_queue, us(32, 30));
    assert_eq!(edge.response, us(65, 50));
    // Sums 200, 60, 100, 70; rests 100, 40, 100, 50; shares 20 %, 12 %, 12.5 %, 11.6667 %.
    assert_eq!(edge.data_plane, us(170, 200));
    assert_eq!(edge.client, us(150, 100));
    assert_eq!(
        edge.share_ppm,
        Some(Spread {
            median: 122_500,
            max: 200_000
        })
    );
}

#[test]
fn half_an_exchange_is_in_no_sum() {
    let mut requests = [
        call(1, [1_000, 0, 50, 20, 700, 50]),
        call(2, [900, 0, 40, 20, 700, 30]),
    ]
    .concat();
    let spans = &mut requests[2].resource_spans[0].scope_spans[0].spans;
    spans.retain(|span| span.name != Role::Response.as_str());
    let edge = &compare(&requests).edges[0];
    assert_eq!((edge.calls, edge.incomplete), (2, 1));
    assert_eq!(
        edge.data_plane,
        Some(Spread {
            median: 70_000,
            max: 70_000
        })
    );
    assert_eq!(
        edge.request,
        Some(Spread {
            median: 45_000,
            max: 50_000
        })
    );
    assert_eq!(
        edge.client,
        Some(Spread {
            median: 130_000,
            max: 130_000
        })
    );
}

#[test]
fn a_server_without_spans_is_named_by_its_address() {
    let mut requests = call(1, [1_000, 0, 50, 20, 700, 50]);
    requests.remove(1);
    let exchange = &mut requests[1].resource_spans[0].scope_spans[0].spans[0];
    *exchange = exchange
        .clone()
        .text(attribute::NAT_ORIGINAL, "10.96.0.9:80");
    let edge = &compare(&requests).edges[0];
    assert_eq!(
        (edge.edge.client.as_str(), edge.edge.server.as_str()),
        ("a", "10.96.0.9:80")
    );
    assert_eq!((edge.server_span, edge.client), (None, None));
    assert_eq!(
        edge.data_plane,
        Some(Spread {
            median: 100_000,
            max: 100_000
        })
    );
}

#[test]
fn parts_larger_than_the_whole_show_as_negative_rest() {
    let edge = &compare(&call(1, [1_000, 0, 300, 20, 900, 50])).edges[0];
    assert_eq!(
        edge.client,
        Some(Spread {
            median: -250_000,
            max: -250_000
        })
    );
}

#[test]
fn a_run_as_a_table() {
    let mut requests: Vec<_> = (1..=30).flat_map(dispatch).collect();
    requests.extend(call(31, [1_000, 0, 50, 20, 700, 50]));
    requests.last_mut().unwrap().resource_spans[0].scope_spans[0]
        .spans
        .truncate(2);
    let comparison = compare(&requests);
    let printed = |style: Style| {
        let lines = table(&comparison, style);
        for line in &lines {
            assert!(
                line.width() <= style.width,
                "{} cells: {}",
                line.width(),
                line.to_text(false)
            );
        }
        text(&lines, false)
    };
    check_expected("table-80.txt", &printed(UTF8_80));
    check_expected("table-200.txt", &printed(UTF8_200));
    check_expected(
        "table-140-ascii.txt",
        &printed(Style {
            width: 140,
            charset: Charset::Ascii,
            full: false,
        }),
    );
    for width in (Style::MIN_WIDTH..250).step_by(7) {
        printed(Style { width, ..UTF8_80 });
    }
}

#[test]
fn no_calls() {
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
