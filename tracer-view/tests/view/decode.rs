//! OTLP to spans: ids, attributes, and what is rejected.

use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status, status::StatusCode};
use opentelemetry_semantic_conventions::attribute as otel;
use tracer_semconv::{HopName, Role, Side, attribute, event};
use tracer_view::decode::decode;
use tracer_view::span::{Kind, Layer, Span};

use crate::fixture::{SpanBuilder, application, data_plane, request, role_span, span};

fn only_span(
    request: &opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest,
) -> Span {
    decode(request).spans.remove(0).1
}

#[test]
fn invalid_ids_are_rejected_and_counted() {
    let check = |break_it: fn(&mut OtlpSpan), rejected: u64| {
        let mut broken = span(2, 1, "broken", 0, 1);
        break_it(&mut broken);
        let decoded = decode(&application("test", vec![span(1, 0, "good", 0, 1), broken]));
        assert_eq!(
            (decoded.spans.len() as u64, decoded.rejected),
            (2 - rejected, rejected)
        );
    };
    check(|_| {}, 0);
    check(|s| s.trace_id = vec![0; 16], 1);
    check(|s| s.trace_id = vec![1; 15], 1);
    check(|s| s.trace_id.clear(), 1);
    check(|s| s.span_id = vec![0; 8], 1);
    check(|s| s.span_id = vec![1; 9], 1);
    check(|s| s.parent_span_id = vec![1; 7], 1);
    check(|s| s.parent_span_id = vec![0; 8], 0);
}

#[test]
fn an_application_span_is_decoded() {
    let span = only_span(&request(
        "customer",
        "customer-1",
        "app",
        vec![span(1, 0, "GET", 5, 7).kind(SpanKind::Server)],
    ));
    assert_eq!(
        (span.resource.service.as_str(), span.kind, span.parent),
        ("customer", Kind::Server, None)
    );
    assert_eq!(
        span.resource
            .pod
            .as_ref()
            .map(tracer_view::text::Text::as_str),
        Some("customer-1")
    );
    assert_eq!(
        (span.duration_ns(), span.layer, span.failure),
        (7_000, Layer::Application, None)
    );
}

#[test]
fn hopspan_attributes_count_only_in_its_scope() {
    let hop = || vec![span(1, 0, "x", 0, 1).hop(HopName::Veth)];
    assert_eq!(
        only_span(&application("impostor", hop())).layer,
        Layer::Application
    );
    assert_eq!(only_span(&data_plane(hop())).role(), Some(Role::Hop));
    let without_role = only_span(&data_plane(vec![span(1, 0, "x", 0, 1)]));
    assert!(without_role.data_plane().is_some());
    assert_eq!(without_role.role(), None);
}

/// With `--detail path` the agent sends hops as events; decoded, they are the spans that `--detail
/// hop` sends.
#[test]
fn hops_may_come_as_events_of_their_path() {
    let hop = |name: HopName, start_us: u64, duration_us: u64| {
        let hop = span(9, 0, "", start_us, 0).text(attribute::HOP, name.as_str());
        Event {
            time_unix_nano: hop.start_time_unix_nano,
            name: name.to_string(),
            attributes: hop
                .int(attribute::DURATION_NS, duration_us as i64 * 1_000)
                .text(otel::NETWORK_INTERFACE_NAME, "veth1")
                .attributes,
            ..Event::default()
        }
    };
    let path = |half| OtlpSpan {
        events: vec![
            hop(HopName::ClientStack, 10, 4),
            Event {
                name: event::TCP_RETRANSMITTED.to_owned(),
                ..Event::default()
            },
            hop(HopName::Wire, 14, 0),
            hop(HopName::Veth, 14, 6),
        ],
        ..role_span(2, 1, Role::Request, 10, 10).half(half)
    };
    let spans = |half| decode(&data_plane(vec![path(half)])).spans;
    let (client, server) = (spans(Side::Client), spans(Side::Server));
    let names_and_durations: Vec<(&str, u64)> = client
        .iter()
        .map(|(_, span)| (span.name.as_str(), span.duration_ns()))
        .collect();
    assert_eq!(
        names_and_durations,
        [
            ("request", 10_000),
            ("client.stack", 4_000),
            ("wire", 0),
            ("veth", 6_000)
        ]
    );
    let below = client[1..].iter().map(|(_, hop)| hop);
    for hop in below {
        assert_eq!(hop.parent, Some(client[0].1.id));
        assert_eq!(hop.role(), Some(Role::Hop));
        let interface = hop.data_plane().and_then(|of| of.interface.as_ref());
        assert_eq!(
            interface.map(tracer_view::text::Text::as_str),
            Some("veth1")
        );
    }
    // The wire has one id from both nodes; the other hops have not.
    let same = |at: usize| client[at].1.id == server[at].1.id;
    assert_eq!([same(1), same(2), same(3)], [false, true, false]);
}

#[test]
fn the_failure_is_error_type_or_the_status() {
    let check = |otlp: OtlpSpan, expected: Option<&str>| {
        let span = only_span(&application("test", vec![otlp]));
        assert_eq!(
            span.failure.as_ref().map(tracer_view::text::Text::as_str),
            expected
        );
    };
    let failed = |message: &str| OtlpSpan {
        status: Some(Status {
            message: message.to_owned(),
            code: StatusCode::Error as i32,
        }),
        ..span(1, 0, "x", 0, 1)
    };
    check(span(1, 0, "x", 0, 1), None);
    check(
        span(1, 0, "x", 0, 1).int(otel::HTTP_RESPONSE_STATUS_CODE, 404),
        None,
    );
    check(failed("no such customer"), Some("no such customer"));
    check(failed(""), Some("error"));
    check(
        failed("").int(otel::HTTP_RESPONSE_STATUS_CODE, 503),
        Some("HTTP 503"),
    );
    check(
        failed("no such customer").text(otel::ERROR_TYPE, "404"),
        Some("404"),
    );
}

#[test]
fn attributes_of_the_wrong_type_are_ignored() {
    let span = only_span(&data_plane(vec![
        span(1, 0, "x", 0, 1)
            .int(attribute::ROLE, 7)
            .text(attribute::TCP_RETRANSMITS, "many")
            .int(attribute::NAT_ORIGINAL, 1)
            .int(attribute::INCOMPLETE, 1),
    ]));
    let Layer::DataPlane(data_plane) = &span.layer else {
        panic!("{span:?}")
    };
    assert_eq!((data_plane.role, &data_plane.facts), (None, &None));
}
