//! OTLP to spans: ids, attributes, and what is rejected.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status, status::StatusCode};
use opentelemetry_semantic_conventions::attribute as otel;
use tracer_semconv::{HopName, Role, attribute};
use tracer_view::decode::decode;
use tracer_view::span::{Hop, Kind, Layer, Span};

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

/// With `--detail path` hops are an attribute of their path. One that cannot be right is ignored.
#[test]
fn hops_may_be_an_attribute_of_their_path() {
    let check = |text: &str, expected: &[(&str, Option<&str>, u64)]| {
        let path = role_span(2, 1, Role::Request, 10, 10).text(attribute::HOPS, text);
        let span = only_span(&data_plane(vec![path]));
        let facts = span.data_plane().and_then(|of| of.facts.as_ref());
        let hops: Vec<_> = facts.iter().flat_map(|facts| &facts.hops).collect();
        let interface = |hop: &Hop| hop.interface.as_ref().map(ToString::to_string);
        let hops: Vec<(&str, Option<String>, u64)> = hops
            .iter()
            .map(|hop| (hop.name.as_str(), interface(hop), hop.duration_ns))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, interface, ns)| (*name, interface.map(str::to_owned), *ns))
            .collect();
        assert_eq!(hops, expected);
    };
    check(
        "client.stack eth0 8120, route 530",
        &[("client.stack", Some("eth0"), 8_120), ("route", None, 530)],
    );
    check("client.stack eth0 8120, route 5300", &[]);
    check("client.stack eth0", &[]);
}

/// A span that took no time ends a microsecond after its start, for back ends.
#[test]
fn a_short_span_has_its_true_length() {
    let check = |ns: i64, expected: u64| {
        let hop = span(1, 0, "x", 5, 1).hop(HopName::Route);
        let hop = hop.int(attribute::DURATION_NS, ns);
        assert_eq!(
            only_span(&data_plane(vec![hop.clone()])).duration_ns(),
            expected
        );
        assert_eq!(only_span(&application("a", vec![hop])).duration_ns(), 1_000);
    };
    check(0, 0);
    check(999, 999);
    check(1_000, 1_000);
    check(-1, 1_000);
    check(i64::MAX, 1_000);
}

#[test]
fn an_exchange_id_is_kept_where_it_is_valid() {
    let exchange = |id: &str| {
        let path = role_span(2, 1, Role::Request, 10, 10).text(attribute::EXCHANGE_ID, id);
        let span = only_span(&data_plane(vec![path]));
        span.data_plane()
            .and_then(|of| of.exchange)
            .map(|id| id.to_string())
    };
    assert_eq!(
        exchange("00000000000000e1").as_deref(),
        Some("00000000000000e1")
    );
    assert_eq!(exchange("e1"), None);
    assert_eq!(exchange(&"e".repeat(1_000_000)), None);
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
