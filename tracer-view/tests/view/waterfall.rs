//! Traces to exact text, from OTLP to lines, 80 and 200 cells wide.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_semantic_conventions::attribute as otel;
use tracer_semconv::{
    HopName, Role, attribute, correlation, drop, error, event, kube_proxy::refusal, party,
};
use tracer_view::render::Style;

use crate::fixture::dispatch::dispatch;
use crate::fixture::{
    SpanBuilder, application, check_expected, data_plane, hop_span, integer, request, role_span,
    span,
};
use crate::printed::{UTF8_80, UTF8_200, ascii, lines, printed, text};

#[test]
fn a_dispatch_in_each_width() {
    let requests = dispatch(1);
    check_expected("dispatch-80.txt", &printed(&requests, UTF8_80));
    check_expected("dispatch-200.txt", &printed(&requests, UTF8_200));
    check_expected("dispatch-40-ascii.txt", &printed(&requests, ascii(40)));
    check_expected("dispatch-100-ascii.txt", &printed(&requests, ascii(100)));
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
        let is_row = |line: &&str| line.ends_with('│') || line.ends_with('┊');
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
fn colour_adds_sgr_sequences_and_nothing_else() {
    let all = Style {
        full: true,
        ..UTF8_80
    };
    let lines = lines(&dispatch(1), all);
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

/// A trace with every problem that a span can have.
fn problems() -> Vec<ExportTraceServiceRequest> {
    let client = vec![
        span(1, 0, "GET /slow", 0, 260_000)
            .kind(SpanKind::Client)
            .text(otel::ERROR_TYPE, error::TIMEOUT),
        span(2, 1, "GET /slow", 250, 180).kind(SpanKind::Client),
        span(3, 1, "GET /direct", 230_000, 9_000).kind(SpanKind::Client),
        span(9, 0x77, "left behind", 20_000, 40_000),
    ];
    let nat = |span: OtlpSpan| {
        span.text(attribute::NAT_ORIGINAL, "10.96.0.20:80")
            .text(attribute::NAT_TRANSLATED, "10.244.1.9:8080")
    };
    let net = vec![
        nat(role_span(11, 1, Role::Connect, 50, 204_000))
            .exchange(10)
            .int(attribute::TCP_RETRANSMITS, 1),
        nat(hop_span(12, 11, HopName::Prerouting, 60, 12))
            .text(attribute::KUBE_PROXY_RULE, "KUBE-SERVICES > KUBE-SVC-X"),
        nat(role_span(13, 1, Role::Request, 204_050, 30))
            .exchange(10)
            .text(attribute::NAT_MASQUERADE, "10.0.0.1")
            .text(party::DESTINATION.pod_name, "slow-1")
            .text(otel::ERROR_TYPE, error::TIMEOUT)
            .text(attribute::DROP_REASON, "NETFILTER_DROP")
            .text(attribute::DROP_HOP, HopName::Forward.as_str())
            .int(attribute::TCP_RETRANSMITS, 3)
            .text(attribute::INCOMPLETE, "server.stack not seen"),
        hop_span(14, 13, HopName::ClientStack, 204_050, 10),
        hop_span(15, 13, HopName::Prerouting, 204_060, 20),
        role_span(19, 3, Role::Request, 230_100, 90)
            .exchange(20)
            .text(otel::DESTINATION_ADDRESS, "10.244.1.7")
            .int(otel::DESTINATION_PORT, 9000),
        role_span(20, 3, Role::Response, 238_000, 100)
            .exchange(20)
            .text(otel::DESTINATION_ADDRESS, "10.244.1.7")
            .int(otel::DESTINATION_PORT, 9000)
            .flag(attribute::INCOMPLETE),
        span(21, 19, "mystery", 230_200, 100).text(attribute::ROLE, "mystery"),
        role_span(22, 99, Role::Request, 100_000, 5_000)
            .exchange(30)
            .text(otel::DESTINATION_ADDRESS, "fd00::7")
            .int(otel::DESTINATION_PORT, 80),
        hop_span(23, 98, HopName::Veth, 120_000, 3),
        refused_while_served(),
        zero_windows(),
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

/// A connect that failed while the request beside it was being served.
fn refused_while_served() -> OtlpSpan {
    role_span(24, 3, Role::Connect, 231_000, 400)
        .text(otel::ERROR_TYPE, error::CONNECTION_REFUSED)
        .text(attribute::CORRELATION, correlation::INFERRED)
        .text(attribute::KUBE_PROXY_REFUSAL, refusal::NO_ENDPOINTS)
        .text(attribute::KUBE_PROXY_SERVICE, "farm/barn:http")
        .text(attribute::DROP_REASON, "NETFILTER_DROP")
        .text(attribute::DROP_HOP, HopName::Postrouting.as_str())
        .text(attribute::DROP_BY, drop::BY_CONNTRACK)
        .text(otel::DESTINATION_ADDRESS, "10.96.0.21")
        .int(otel::DESTINATION_PORT, 80)
}

/// A request with receive windows that were zero.
fn zero_windows() -> OtlpSpan {
    let closed = |ns| Event {
        name: event::TCP_ZERO_WINDOW.to_owned(),
        attributes: vec![integer(attribute::TCP_ZERO_WINDOW_NS, ns)],
        ..Event::default()
    };
    let mut span = role_span(25, 3, Role::Request, 231_500, 5_000).exchange(25);
    span.events = vec![closed(1_200_000), closed(300_000)];
    span
}

#[test]
fn problems_have_notes() {
    check_expected("problems-80.txt", &printed(&problems(), UTF8_80));
    check_expected("problems-200.txt", &printed(&problems(), UTF8_200));
}

/// Connect, request and response are of one exchange: what is said of all is said once.
#[test]
fn an_exchange_without_its_client_span_has_one_note() {
    let paths = [Role::Connect, Role::Request, Role::Response]
        .into_iter()
        .zip(2..);
    let paths = paths.map(|(role, id)| role_span(id, 99, role, id, 1).exchange(7));
    let printed = printed(&[data_plane(paths.collect())], UTF8_80);
    assert_eq!(printed.matches("was not received").count(), 1, "{printed}");
}

#[test]
fn no_spans_and_one_span() {
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
