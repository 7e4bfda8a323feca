//! Encodes spans in OTLP's protobuf encoding, directly into the bytes that are sent.
//!
//! In: `Span`s. Out: an ExportTraceServiceRequest (opentelemetry-proto, collector/trace/v1). With
//! the library's types, each attribute of each span would be three strings and two copies of them,
//! which costs more than all other work on an exchange.

mod resources;
mod wire;

use std::collections::BTreeMap;

use opentelemetry_sdk::Resource;
use prost::bytes::{BufMut as _, Bytes};
use tracer_pipeline::span::{Attribute, Event, Link, Span, Value};

use super::resource::resource;

use resources::Resources;
use wire::{
    field, field_len, fixed32_len, fixed64_len, number_len, pair_len, put_bytes, put_fixed32,
    put_fixed64, put_length, put_number, put_text, text_field_len, text_len,
};

/// Sampled, and with a parent context that is known not to be remote (opentelemetry-proto,
/// SpanFlags).
const FLAGS: u32 = 0x101;
const INTERNAL: u64 = 1;
const ERROR: u64 = 2;

/// Encodes requests. Holds the bytes that all requests share.
pub struct Encoder {
    resources: Resources,
    /// The field `scope` of ScopeSpans.
    scope: Vec<u8>,
}

impl Encoder {
    /// An encoder with the resource of this node's agent.
    pub fn for_this_node() -> Self {
        Self::new(&resource())
    }

    fn new(resource: &Resource) -> Self {
        let mut scope = Vec::new();
        put_text(1, tracer_semconv::scope::NAME, &mut scope);
        put_text(2, env!("CARGO_PKG_VERSION"), &mut scope);
        Self {
            resources: Resources::new(resource),
            scope: field(1, &scope),
        }
    }

    /// Encodes a request with the spans of these exchanges.
    pub fn request(&mut self, exchanges: &[impl AsRef<[Span]>]) -> Bytes {
        let spans = || exchanges.iter().flat_map(AsRef::as_ref);
        let mut out = Vec::new();
        if spans().all(|span| span.workload.is_none()) {
            self.resource_spans(None, spans, &mut out);
            return out.into();
        }
        let mut by_name: BTreeMap<Option<&str>, Vec<&Span>> = BTreeMap::new();
        for span in spans() {
            let workload = span.workload.as_ref();
            let name = workload.and_then(|workload| self.resources.add(workload));
            by_name.entry(name).or_default().push(span);
        }
        for (name, spans) in by_name {
            self.resource_spans(name, || spans.iter().copied(), &mut out);
        }
        out.into()
    }

    /// Adds the spans of one resource.
    fn resource_spans<'s, S: Iterator<Item = &'s Span>>(
        &self,
        workload: Option<&str>,
        spans: impl Fn() -> S,
        out: &mut Vec<u8>,
    ) {
        let resource = self.resources.get(workload);
        let lengths: Vec<usize> = spans().map(span_len).collect();
        let of_spans: usize = lengths.iter().map(|length| field_len(2, *length)).sum();
        let of_scope = self.scope.len() + of_spans;
        let of_resource = resource.len() + field_len(2, of_scope);
        out.reserve(field_len(1, of_resource));
        put_length(1, of_resource, out);
        out.put_slice(resource);
        put_length(2, of_scope, out);
        out.put_slice(&self.scope);
        for (span, length) in spans().zip(lengths) {
            put_length(2, length, out);
            put_span(span, out);
        }
    }
}

/// The length of a span without its own key and length. Must list the same fields as [`put_span`].
fn span_len(span: &Span) -> usize {
    let attributes = span
        .attributes
        .iter()
        .map(|of| field_len(9, attribute_len(of)));
    let events = span.events.iter().map(|of| field_len(11, event_len(of)));
    let links = span.links.iter().map(|of| field_len(13, link_len(of)));
    field_len(1, span.trace_id.0.len())
        + field_len(2, span.span_id.0.len())
        + trace_state_len(span.trace_state.as_deref())
        + parent(span).map_or(0, |parent| field_len(4, parent.len()))
        + field_len(5, span.name.len())
        + number_len(6, INTERNAL)
        + fixed64_len(7)
        + fixed64_len(8)
        + attributes.chain(events).chain(links).sum::<usize>()
        + span
            .error
            .as_ref()
            .map_or(0, |error| field_len(15, status_len(error)))
        + fixed32_len(16)
}

fn put_span(span: &Span, out: &mut Vec<u8>) {
    put_bytes(1, &span.trace_id.0, out);
    put_bytes(2, &span.span_id.0, out);
    put_trace_state(span.trace_state.as_deref(), out);
    if let Some(parent) = parent(span) {
        put_bytes(4, parent, out);
    }
    put_text(5, &span.name, out);
    put_number(6, INTERNAL, out);
    put_fixed64(7, span.start_unix_ns, out);
    put_fixed64(8, span.end_unix_ns, out);
    for attribute in &span.attributes {
        put_length(9, attribute_len(attribute), out);
        put_attribute(attribute, out);
    }
    for event in &span.events {
        put_length(11, event_len(event), out);
        put_event(event, out);
    }
    for link in &span.links {
        put_length(13, link_len(link), out);
        put_link(link, out);
    }
    if let Some(error) = &span.error {
        put_length(15, status_len(error), out);
        put_text(2, error, out);
        put_number(3, ERROR, out);
    }
    put_fixed32(16, FLAGS, out);
}

/// The parent's id. `None` for an id of zeros: a root span has no such field.
fn parent(span: &Span) -> Option<&[u8]> {
    (span.parent_id.0 != [0; 8]).then_some(&span.parent_id.0)
}

fn status_len(error: &str) -> usize {
    text_field_len(2, error) + number_len(3, ERROR)
}

fn event_len(event: &Event) -> usize {
    let attributes = event.attributes.iter();
    fixed64_len(1)
        + text_field_len(2, event.name)
        + attributes
            .map(|of| field_len(3, attribute_len(of)))
            .sum::<usize>()
}

fn put_event(event: &Event, out: &mut Vec<u8>) {
    put_fixed64(1, event.at_unix_ns, out);
    put_text(2, event.name, out);
    for attribute in &event.attributes {
        put_length(3, attribute_len(attribute), out);
        put_attribute(attribute, out);
    }
}

fn link_len(link: &Link) -> usize {
    field_len(1, link.trace_id.0.len())
        + field_len(2, link.span_id.0.len())
        + trace_state_len(link.trace_state.as_deref())
        + fixed32_len(6)
}

fn put_link(link: &Link, out: &mut Vec<u8>) {
    put_bytes(1, &link.trace_id.0, out);
    put_bytes(2, &link.span_id.0, out);
    put_trace_state(link.trace_state.as_deref(), out);
    put_fixed32(6, FLAGS, out);
}

fn trace_state_len(list: Option<&str>) -> usize {
    list.map_or(0, |list| text_field_len(3, list))
}

fn put_trace_state(list: Option<&str>, out: &mut Vec<u8>) {
    if let Some(list) = list {
        put_text(3, list, out);
    }
}

/// The length of a KeyValue: the key, and an AnyValue.
fn attribute_len(attribute: &Attribute) -> usize {
    pair_len(attribute.key, value_len(&attribute.value))
}

fn put_attribute(attribute: &Attribute, out: &mut Vec<u8>) {
    put_text(1, attribute.key, out);
    put_length(2, value_len(&attribute.value), out);
    match &attribute.value {
        Value::Text(text) => put_text(1, text, out),
        Value::Shared(text) => put_text(1, text, out),
        Value::Bool(value) => put_number(2, u64::from(*value), out),
        Value::Int(number) => put_number(3, number.cast_unsigned(), out),
    }
}

fn value_len(value: &Value) -> usize {
    match value {
        Value::Text(text) => text_len(text),
        Value::Shared(text) => text_len(text),
        Value::Bool(value) => number_len(2, u64::from(*value)),
        Value::Int(number) => number_len(3, number.cast_unsigned()),
    }
}

#[cfg(test)]
mod tests;
