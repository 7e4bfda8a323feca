//! OTLP to spans: ids, attributes, and what is refused.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status, status::StatusCode};
use tracer_view::decode::decode;
use tracer_view::span::{Kind, Layer, Role, Span};

use crate::fixture::{Say, application, data_plane, request, span};

fn one(
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
fn a_span_of_the_application() {
    let span = one(&request(
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
    let hop = || {
        vec![
            span(1, 0, "x", 0, 1)
                .say("hopspan.role", "hop")
                .say("hopspan.hop", "veth"),
        ]
    };
    assert_eq!(
        one(&application("impostor", hop())).layer,
        Layer::Application
    );
    assert_eq!(one(&data_plane(hop())).role(), Some(Role::Hop));
    assert_eq!(
        one(&data_plane(vec![span(1, 0, "x", 0, 1)])).role(),
        Some(Role::Unknown)
    );
}

#[test]
fn why_a_span_failed() {
    let check = |otlp: OtlpSpan, expected: Option<&str>| {
        let span = one(&application("test", vec![otlp]));
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
        span(1, 0, "x", 0, 1).count("http.response.status_code", 404),
        None,
    );
    check(failed("no such customer"), Some("no such customer"));
    check(failed(""), Some("error"));
    check(
        failed("").count("http.response.status_code", 503),
        Some("HTTP 503"),
    );
    check(
        failed("no such customer").say("error.type", "404"),
        Some("404"),
    );
}

#[test]
fn attributes_of_the_wrong_type_are_as_good_as_none() {
    let span = one(&data_plane(vec![
        span(1, 0, "x", 0, 1)
            .count("hopspan.role", 7)
            .say("hopspan.tcp.retransmits", "many")
            .count("hopspan.nat.original", 1)
            .count("hopspan.incomplete", 1),
    ]));
    let Layer::DataPlane(data_plane) = &span.layer else {
        panic!("{span:?}")
    };
    assert_eq!((data_plane.role, &data_plane.facts), (Role::Unknown, &None));
}
