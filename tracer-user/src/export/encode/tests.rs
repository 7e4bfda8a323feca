//! Compares the encoding with that of OpenTelemetry's own types, the reference.

use opentelemetry::KeyValue;
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use prost::Message as _;
use tracer_pipeline::{
    http::trace_context::{SpanId, TraceId},
    pipeline::Pipeline,
    recording::Reader,
    span::Detail,
};

use super::{
    super::reference::{bare_span, span_data},
    *,
};

fn resource(attributes: &[(&'static str, &'static str)]) -> Resource {
    let attributes = attributes
        .iter()
        .map(|(key, value)| KeyValue::new(*key, *value));
    Resource::builder_empty()
        .with_attributes(attributes)
        .build()
}

/// The library's request for the spans of one resource.
fn reference(resource: &Resource, spans: &[&Span]) -> ExportTraceServiceRequest {
    let data = spans.iter().map(|span| span_data(span)).collect();
    let attributes = ResourceAttributesWithSchema::from(resource);
    let mut resource_spans = group_spans_by_resource_and_scope(data, &attributes);
    let scopes = resource_spans.iter_mut().flat_map(|of| &mut of.scope_spans);
    for span in scopes.flat_map(|of| &mut of.spans) {
        // The library writes an empty status, which means the same as none.
        span.status = span.status.take().filter(|status| status.code != 0);
    }
    ExportTraceServiceRequest { resource_spans }
}

fn assert_same(bytes: &Bytes, expected: &ExportTraceServiceRequest) {
    assert!(
        ExportTraceServiceRequest::decode(bytes.clone()).as_ref() == Ok(expected),
        "the bytes decode to something else"
    );
    assert!(
        *bytes == expected.encode_to_vec(),
        "the same request in other bytes"
    );
}

/// Compares our bytes with the library's.
fn check(exchanges: &[Vec<Span>]) {
    let resource = resource(&[("service.name", "hopspan")]);
    let spans: Vec<&Span> = exchanges.iter().flatten().collect();
    let bytes = Encoder::new(&resource).request(exchanges);
    assert_same(&bytes, &reference(&resource, &spans));
}

#[test]
fn a_recorded_dispatch_is_encoded_as_by_the_library() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tracer-pipeline/tests/recordings/dispatch.hopspan"
    );
    let mut pipeline = Pipeline::new("node");
    pipeline.detail().set_detail(Detail::Hop);
    let mut spans = Vec::new();
    for record in Reader::open(path.as_ref()).unwrap() {
        pipeline.replay(&record.unwrap(), &mut spans);
    }
    let count: usize = spans.iter().map(Vec::len).sum();
    assert!(count > 300, "{count}");
    check(&spans);
}

#[test]
fn every_field_is_encoded() {
    let attributes = vec![
        Attribute::text("empty", ""),
        Attribute::text("long", "x".repeat(20_000)),
        Attribute::shared("shared", &"ä".into()),
        Attribute::bool("yes", true),
        Attribute::bool("no", false),
        Attribute::int("zero", 0),
        Attribute::int("negative", -1),
        Attribute::int("most", i64::MAX),
    ];
    let span = Span {
        trace_id: TraceId([1; 16]),
        trace_state: Some("a=1,b=2".into()),
        span_id: SpanId([2; 8]),
        parent_id: SpanId([3; 8]),
        name: "GET a".into(),
        start_unix_ns: 1_700_000_000_000_000_000,
        end_unix_ns: 1_700_000_000_000_000_999,
        attributes: attributes.clone(),
        events: vec![Event {
            name: "tcp.retransmitted",
            at_unix_ns: 1_700_000_000_000_000_001,
            attributes,
        }],
        links: vec![Link {
            trace_id: TraceId([4; 16]),
            trace_state: Some("c=3".into()),
            span_id: SpanId([5; 8]),
        }],
        error: Some("packet dropped".into()),
        workload: None,
    };
    let root = Span {
        parent_id: SpanId([0; 8]),
        trace_state: None,
        ..span.clone()
    };
    check(&[vec![span], vec![root]]);
}

/// The agent's attributes as a service are not a workload's.
#[test]
fn each_workload_has_a_resource() {
    let own = resource(&[("service.name", "hopspan"), ("service.version", "1")]);
    let span = |id, workload: Option<&str>| Span {
        span_id: SpanId([id; 8]),
        workload: workload.map(Into::into),
        ..bare_span()
    };
    let exchanges = [
        vec![span(1, Some("web")), span(2, Some("db")), span(3, None)],
        vec![span(4, Some("web")), span(5, Some("db"))],
    ];
    let numbered = |number: usize| exchanges.iter().flatten().nth(number - 1).unwrap();
    let named = |name| resource(&[("service.name", name)]);
    let parts = [
        reference(&own, &[numbered(3)]),
        reference(&named("db"), &[numbered(2), numbered(5)]),
        reference(&named("web"), &[numbered(1), numbered(4)]),
    ];
    let expected = ExportTraceServiceRequest {
        resource_spans: parts
            .into_iter()
            .flat_map(|part| part.resource_spans)
            .collect(),
    };
    let mut encoder = Encoder::new(&own);
    assert_same(&encoder.request(&exchanges), &expected);
    assert_same(&encoder.request(&exchanges), &expected);
}

/// What describes the agent's host is of every resource.
#[test]
fn a_workload_has_the_host_of_the_agent() {
    let own = [
        ("service.name", "hopspan"),
        ("service.namespace", "monitoring"),
        ("service.instance.id", "1"),
        ("host.name", "node-1"),
    ];
    let span = Span {
        workload: Some("web".into()),
        ..bare_span()
    };
    let bytes = Encoder::new(&resource(&own)).request(&[vec![span]]);
    let request = ExportTraceServiceRequest::decode(bytes).unwrap();
    let of_resource = request.resource_spans[0].resource.as_ref().unwrap();
    let mut keys: Vec<&str> = of_resource.attributes.iter().map(|of| &*of.key).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["host.name", "service.instance.id", "service.name"]);
}
