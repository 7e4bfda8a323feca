//! Whole traces to exact text, from OTLP to lines, at 80 and 200 columns.

use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tracer_view::decode::decode;
use tracer_view::merge::merge;
use tracer_view::render::{Charset, Line, Style, waterfall};
use tracer_view::store::{Limits, Store};
use tracer_view::tree::Tree;

use crate::fixture::dispatch::dispatch;
use crate::fixture::{Say, application, check_expected, data_plane, request, span};

pub(crate) const UTF8_80: Style = Style {
    width: 80,
    charset: Charset::Utf8,
    full: false,
};
pub(crate) const UTF8_200: Style = Style {
    width: 200,
    ..UTF8_80
};

pub(crate) fn text(lines: &[Line], color: bool) -> String {
    lines
        .iter()
        .map(|line| line.to_text(color) + "\n")
        .collect()
}

/// The waterfalls of all traces in `requests`. No line may be wider than the style says.
pub(crate) fn lines(requests: &[ExportTraceServiceRequest], style: Style) -> Vec<Line> {
    let mut store = Store::new(Limits {
        traces: 10,
        spans: 200_000,
        spans_per_trace: 200_000,
    });
    for request in requests {
        store.insert(decode(request).spans, Instant::now());
    }
    let lines = store.traces().flat_map(|trace| {
        let spans = merge(&trace.spans);
        waterfall(trace.id, &Tree::new(&spans), "", style)
    });
    let lines: Vec<Line> = lines.collect();
    for line in &lines {
        assert!(
            line.width() <= style.width,
            "{} cells: {}",
            line.width(),
            line.to_text(false)
        );
    }
    lines
}

fn printed(requests: &[ExportTraceServiceRequest], style: Style) -> String {
    text(&lines(requests, style), false)
}

#[test]
fn a_dispatch() {
    let requests = dispatch(1);
    check_expected("dispatch-80.txt", &printed(&requests, UTF8_80));
    check_expected("dispatch-200.txt", &printed(&requests, UTF8_200));
    check_expected(
        "dispatch-40-ascii.txt",
        &printed(
            &requests,
            Style {
                width: 40,
                charset: Charset::Ascii,
                full: false,
            },
        ),
    );
    check_expected(
        "dispatch-100-ascii.txt",
        &printed(
            &requests,
            Style {
                width: 100,
                charset: Charset::Ascii,
                full: false,
            },
        ),
    );
}

#[test]
fn full_shows_a_row_for_every_span() {
    let requests = dispatch(1);
    let spans: usize = requests
        .iter()
        .flat_map(|r| &r.resource_spans[0].scope_spans)
        .map(|s| s.spans.len())
        .sum();
    let rows = |style| {
        let is_row =
            |line: &&str| line.contains('│') && (line.ends_with('│') || line.ends_with('┊'));
        printed(&requests, style).lines().filter(is_row).count()
    };
    assert_eq!(
        rows(Style {
            full: true,
            ..UTF8_80
        }),
        spans
    );
    assert!(rows(UTF8_80) < spans / 2);
}

#[test]
fn colour_adds_nothing_but_colour() {
    let lines = lines(&dispatch(1), UTF8_80);
    let (plain, coloured) = (text(&lines, false), text(&lines, true));
    assert!(!plain.contains('\u{1b}'));
    let mut stripped = String::new();
    for (i, piece) in coloured.split('\u{1b}').enumerate() {
        let after_sequence = piece
            .split_once('m')
            .filter(|_| i > 0)
            .map_or(piece, |(_, rest)| rest);
        stripped.push_str(after_sequence);
    }
    let trimmed: String = stripped
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    assert_eq!(trimmed, plain);
    // Application, data plane and hop each have a colour of their own.
    for sgr in ["\u{1b}[36m█", "\u{1b}[33m━", "\u{1b}[35m░"] {
        assert!(coloured.contains(sgr), "{sgr:?}");
    }
}

/// Everything that can be said of a data plane that does not work.
fn trouble() -> Vec<ExportTraceServiceRequest> {
    let client = vec![
        span(1, 0, "GET /slow", 0, 260_000)
            .kind(SpanKind::Client)
            .say("error.type", "timeout"),
        span(2, 1, "GET /slow", 250, 180).kind(SpanKind::Client),
        span(3, 1, "GET /direct", 230_000, 9_000).kind(SpanKind::Client),
        span(9, 0x77, "left behind", 20_000, 40_000),
    ];
    let hop = |id: u64, parent: u64, name: &str, start: u64, duration: u64| {
        span(id, parent, name, start, duration)
            .say("hopspan.role", "hop")
            .say("hopspan.hop", name)
    };
    let role = |id: u64, parent: u64, role: &str, start: u64, duration: u64| {
        span(id, parent, role, start, duration).say("hopspan.role", role)
    };
    let nat = |span: opentelemetry_proto::tonic::trace::v1::Span| {
        span.say("hopspan.nat.original", "10.96.0.20:80")
            .say("hopspan.nat.translated", "10.244.1.9:8080")
    };
    let net = vec![
        nat(role(10, 1, "exchange", 50, 259_000))
            .say("hopspan.nat.masquerade", "10.0.0.1")
            .say("k8s.pod.name", "slow-1")
            .flag("hopspan.incomplete"),
        role(11, 10, "connect", 50, 204_000).count("hopspan.tcp.retransmits", 1),
        nat(hop(12, 11, "netfilter.prerouting", 60, 12))
            .say("hopspan.kube_proxy.rule", "KUBE-SERVICES > KUBE-SVC-X"),
        role(13, 10, "request", 204_050, 30)
            .say("hopspan.drop.reason", "NETFILTER_DROP")
            .say("hopspan.drop.hop", "netfilter.forward")
            .count("hopspan.tcp.retransmits", 3)
            .say("hopspan.incomplete", "server.stack not seen"),
        hop(14, 13, "client.stack", 204_050, 10),
        hop(15, 13, "netfilter.prerouting", 204_060, 20),
        role(20, 3, "exchange", 230_100, 8_000)
            .say("destination.address", "10.244.1.7")
            .count("destination.port", 9000),
        role(21, 20, "mystery", 230_200, 100),
        role(22, 99, "exchange", 100_000, 5_000)
            .say("destination.address", "fd00::7")
            .count("destination.port", 80),
        hop(23, 98, "veth", 120_000, 3),
        refused_while_served(),
        overfull(),
    ];
    let mut server = span(30, 1, "GET /slow", 205_000, 0).kind(SpanKind::Server);
    server.end_time_unix_nano -= 12_000;
    let mut undated = span(31, 30, "no clock", 0, 0);
    undated.start_time_unix_nano = 0;
    undated.end_time_unix_nano = 0;
    let early = span(32, 30, "before its parent", 1_000, 10);
    let cycle = vec![
        span(40, 42, "egg", 150_000, 10),
        span(41, 40, "hen", 140_000, 10),
        span(42, 41, "chick", 160_000, 10),
    ];
    vec![
        application("shop", client),
        data_plane(net),
        request("slow", "slow-1", "app", vec![server, undated, early]),
        application("farm", cycle),
    ]
}

/// A connect that failed while the exchange above it was served.
fn refused_while_served() -> opentelemetry_proto::tonic::trace::v1::Span {
    span(24, 20, "connect", 231_000, 400)
        .say("hopspan.role", "connect")
        .say("error.type", "connection_refused")
        .say("hopspan.correlation", "inferred")
        .say("hopspan.kube_proxy.refusal", "no endpoints")
        .say("hopspan.kube_proxy.service", "farm/barn:http")
        .say("hopspan.drop.reason", "NETFILTER_DROP")
        .say("hopspan.drop.hop", "netfilter.postrouting")
        .say("hopspan.drop.by", "conntrack")
        .say("destination.address", "10.96.0.21")
        .count("destination.port", 80)
}

/// An exchange whose server had no room for a while.
fn overfull() -> opentelemetry_proto::tonic::trace::v1::Span {
    use opentelemetry_proto::tonic::{
        common::v1::{AnyValue, KeyValue, any_value::Value},
        trace::v1::span::Event,
    };
    let closed = |ns| Event {
        name: "tcp.zero_window".into(),
        attributes: vec![KeyValue {
            key: "hopspan.tcp.zero_window_ns".into(),
            value: Some(AnyValue {
                value: Some(Value::IntValue(ns)),
            }),
            ..KeyValue::default()
        }],
        ..Event::default()
    };
    let mut span = span(25, 3, "exchange", 231_500, 5_000).say("hopspan.role", "exchange");
    span.events = vec![closed(1_200_000), closed(300_000)];
    span
}

#[test]
fn what_went_wrong_is_said() {
    check_expected("trouble-80.txt", &printed(&trouble(), UTF8_80));
    check_expected("trouble-200.txt", &printed(&trouble(), UTF8_200));
}

#[test]
fn nothing_at_all() {
    assert_eq!(printed(&[], UTF8_80), "");
    let alone = printed(
        &[application("shop", vec![span(1, 0, "alone", 0, 0)])],
        UTF8_80,
    );
    assert!(alone.contains("█ shop alone"), "{alone}");
    assert!(
        alone.contains("trace 00000000000000000000000000000001  0 ns"),
        "{alone}"
    );
}

#[test]
fn wide_characters_keep_the_columns() {
    let name = "查询客户".repeat(9);
    let printed = printed(
        &[application(
            "店",
            vec![span(1, 0, &name, 0, 10), span(2, 1, "x", 2, 5)],
        )],
        UTF8_80,
    );
    let bars: Vec<usize> = printed
        .lines()
        .filter(|line| line.ends_with('│'))
        .map(|line| {
            line.chars()
                .map(|c| {
                    if ('\u{3000}'..='\u{9fff}').contains(&c) {
                        2
                    } else {
                        1
                    }
                })
                .sum()
        })
        .collect();
    assert_eq!(bars, [80, 80], "{printed}");
}
