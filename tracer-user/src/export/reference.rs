//! Spans for tests, and their conversion to OpenTelemetry's own type, whose encoding is the
//! reference for [`encode`](super::encode).

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{Event, Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tracer_pipeline::{
    http::trace_context,
    span::{Attribute, Edge, EdgeEnd, Span, Value},
};

static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder(tracer_semconv::scope::NAME)
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
});

/// A span with fixed ids and without attributes.
pub(super) fn bare_span() -> Span {
    Span {
        trace_id: trace_context::TraceId([1; 16]),
        trace_state: None,
        span_id: trace_context::SpanId([2; 8]),
        parent_id: trace_context::SpanId([3; 8]),
        name: "a".into(),
        start_unix_ns: 1,
        end_unix_ns: 2,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        error: None,
        workload: None,
    }
}

/// The edge from a caller to a service.
pub(super) fn edge_from(caller: &str) -> Edge {
    let end = |name: &str| EdgeEnd::Named(None, name.into());
    Edge {
        caller: end(caller),
        called: end("service"),
    }
}

pub(super) fn span_data(span: &Span) -> SpanData {
    let mut events = SpanEvents::default();
    events.events = span
        .events
        .iter()
        .map(|event| {
            let attributes = event.attributes.iter().map(key_value).collect();
            Event::new(event.name, time(event.at_unix_ns), attributes, 0)
        })
        .collect();
    let mut links = SpanLinks::default();
    links.links = span.links.iter().map(link).collect();
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(span.trace_id.0),
            SpanId::from_bytes(span.span_id.0),
            TraceFlags::SAMPLED,
            false,
            trace_state(span.trace_state.as_deref()),
        ),
        parent_span_id: SpanId::from_bytes(span.parent_id.0),
        // The same flag for all spans: most parents are spans of this process.
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: span.name.clone(),
        start_time: time(span.start_unix_ns),
        end_time: time(span.end_unix_ns),
        attributes: span.attributes.iter().map(key_value).collect(),
        dropped_attributes_count: 0,
        events,
        links,
        status: span.error.clone().map_or(Status::Unset, Status::error),
        instrumentation_scope: SCOPE.clone(),
    }
}

fn link(link: &tracer_pipeline::span::Link) -> Link {
    let context = SpanContext::new(
        TraceId::from_bytes(link.trace_id.0),
        SpanId::from_bytes(link.span_id.0),
        TraceFlags::SAMPLED,
        false,
        trace_state(link.trace_state.as_deref()),
    );
    Link::new(context, Vec::new(), 0)
}

fn trace_state(list: Option<&str>) -> TraceState {
    list.and_then(|list| list.parse().ok()).unwrap_or_default()
}

fn time(unix_ns: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_ns)
}

fn key_value(attribute: &Attribute) -> KeyValue {
    match &attribute.value {
        Value::Text(text) => KeyValue::new(attribute.key, text.clone()),
        Value::Shared(text) => KeyValue::new(attribute.key, Arc::clone(text)),
        Value::Bool(value) => KeyValue::new(attribute.key, *value),
        Value::Int(number) => KeyValue::new(attribute.key, *number),
    }
}
