//! Encodes spans in OTLP's protobuf encoding, directly into the bytes that are sent.
//!
//! In: `Span`s. Out: an ExportTraceServiceRequest (opentelemetry-proto, collector/trace/v1). With
//! the library's types, each attribute of each span would be three strings and two copies of them,
//! which costs more than all other work on an exchange.

use opentelemetry_sdk::Resource;
use prost::{
    bytes::{BufMut, Bytes},
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};
use tracer_pipeline::span::{Attribute, Event, Link, Span, Value};

use super::resource::resource;

/// Sampled, and with a parent context that is known not to be remote (opentelemetry-proto,
/// SpanFlags).
const FLAGS: u32 = 0x101;
const INTERNAL: u64 = 1;
const ERROR: u64 = 2;

/// Encodes requests. Holds the bytes that all requests share.
pub struct Encoder {
    /// The field `resource` of ResourceSpans.
    resource: Vec<u8>,
    /// The field `scope` of ScopeSpans.
    scope: Vec<u8>,
}

impl Encoder {
    /// An encoder with the resource of this node's agent.
    pub fn for_this_node() -> Self {
        Self::new(&resource())
    }

    fn new(resource: &Resource) -> Self {
        let mut attributes = Vec::new();
        for (key, value) in resource {
            let value = value.as_str();
            put_length(1, pair_len(key.as_str(), text_len(&value)), &mut attributes);
            put_text(1, key.as_str(), &mut attributes);
            put_length(2, text_len(&value), &mut attributes);
            put_text(1, &value, &mut attributes);
        }
        let mut scope = Vec::new();
        put_text(1, tracer_semconv::scope::NAME, &mut scope);
        put_text(2, env!("CARGO_PKG_VERSION"), &mut scope);
        Self {
            resource: field(1, &attributes),
            scope: field(1, &scope),
        }
    }

    /// Encodes a request with the spans of these exchanges.
    pub fn request(&self, exchanges: &[Vec<Span>]) -> Bytes {
        let spans = || exchanges.iter().flatten();
        let lengths: Vec<usize> = spans().map(span_len).collect();
        let of_spans: usize = lengths.iter().map(|length| field_len(2, *length)).sum();
        let of_scope = self.scope.len() + of_spans;
        let of_resource = self.resource.len() + field_len(2, of_scope);
        let mut out = Vec::with_capacity(field_len(1, of_resource));
        put_length(1, of_resource, &mut out);
        out.put_slice(&self.resource);
        put_length(2, of_scope, &mut out);
        out.put_slice(&self.scope);
        for (span, length) in spans().zip(lengths) {
            put_length(2, length, &mut out);
            put_span(span, &mut out);
        }
        out.into()
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

/// The length of an AnyValue that is a string. Unlike other fields, an empty string is written.
fn text_len(text: &str) -> usize {
    text_field_len(1, text)
}

fn pair_len(key: &str, value_len: usize) -> usize {
    text_field_len(1, key) + field_len(2, value_len)
}

fn text_field_len(tag: u32, text: &str) -> usize {
    field_len(tag, text.len())
}

/// The length of a length-delimited field, with key and length.
fn field_len(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

fn number_len(tag: u32, number: u64) -> usize {
    key_len(tag) + encoded_len_varint(number)
}

fn fixed64_len(tag: u32) -> usize {
    key_len(tag) + size_of::<u64>()
}

fn fixed32_len(tag: u32) -> usize {
    key_len(tag) + size_of::<u32>()
}

fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field_len(tag, bytes.len()));
    put_bytes(tag, bytes, &mut out);
    out
}

fn put_text(tag: u32, text: &str, out: &mut Vec<u8>) {
    put_bytes(tag, text.as_bytes(), out);
}

fn put_bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_length(tag, bytes.len(), out);
    out.put_slice(bytes);
}

fn put_length(tag: u32, length: usize, out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

fn put_number(tag: u32, number: u64, out: &mut Vec<u8>) {
    encode_key(tag, WireType::Varint, out);
    encode_varint(number, out);
}

fn put_fixed64(tag: u32, number: u64, out: &mut Vec<u8>) {
    encode_key(tag, WireType::SixtyFourBit, out);
    out.put_u64_le(number);
}

fn put_fixed32(tag: u32, number: u32, out: &mut Vec<u8>) {
    encode_key(tag, WireType::ThirtyTwoBit, out);
    out.put_u32_le(number);
}

#[cfg(test)]
mod tests;
