//! Compares the encoding with that of OpenTelemetry's own types, the reference.

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
};

use super::{super::reference::span_data, *};

fn resource() -> Resource {
    use opentelemetry::KeyValue;
    Resource::builder_empty()
        .with_attributes([KeyValue::new("service.name", "hopspan")])
        .build()
}

/// Compares our bytes with the library's.
fn check(exchanges: &[Vec<Span>]) {
    let data = exchanges.iter().flatten().map(span_data).collect();
    let resource = resource();
    let attributes = ResourceAttributesWithSchema::from(&resource);
    let mut expected = group_spans_by_resource_and_scope(data, &attributes);
    let scopes = expected.iter_mut().flat_map(|of| &mut of.scope_spans);
    for span in scopes.flat_map(|of| &mut of.spans) {
        // The library writes an empty status, which means the same as none.
        span.status = span.status.take().filter(|status| status.code != 0);
    }
    let expected = ExportTraceServiceRequest {
        resource_spans: expected,
    };
    let bytes = Encoder::new(&resource).request(exchanges);
    assert!(
        ExportTraceServiceRequest::decode(bytes.clone()) == Ok(expected.clone()),
        "the bytes decode to something else"
    );
    assert!(
        bytes == expected.encode_to_vec(),
        "the same request in other bytes"
    );
}

#[test]
fn a_recorded_dispatch_is_encoded_as_by_the_library() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tracer-pipeline/tests/recordings/dispatch.hopspan"
    );
    let mut pipeline = Pipeline::new("node");
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
    };
    let root = Span {
        parent_id: SpanId([0; 8]),
        trace_state: None,
        ..span.clone()
    };
    check(&[vec![span], vec![root]]);
}
