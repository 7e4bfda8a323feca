//! Spans of the merge to OTLP. In: a span of the result, and the OTLP spans that it was made of. Out:
//! one OTLP span with all attributes, events and links of these. What the viewer keeps of a span is
//! written back; what it does not keep is added up.

use std::collections::HashSet;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_semantic_conventions::attribute as otel;
use tracer_semconv::event::RESPONSE_FIRST_BYTE;
use tracer_semconv::{Role, attribute};

use crate::decode::span::MICROSECOND_NS;
use crate::id::SpanId;
use crate::span::{Facts, Skew, Span, shifted};

/// A span as it was sent, moved in time with its events.
pub(super) fn moved(mut span: OtlpSpan, by_ns: i128) -> OtlpSpan {
    let events = span
        .events
        .iter_mut()
        .map(|event| &mut event.time_unix_nano);
    let own = [&mut span.start_time_unix_nano, &mut span.end_time_unix_nano];
    own.into_iter()
        .chain(events)
        .for_each(|at_ns| *at_ns = shifted(*at_ns, by_ns));
    span
}

/// The spans of `sent`, the client's half first, as the one that `joined` is.
pub(super) fn joined_span(sent: impl Iterator<Item = OtlpSpan>, joined: &Span) -> Option<OtlpSpan> {
    let mut otlp = sent.reduce(add)?;
    set_times(&mut otlp, joined);
    otlp.parent_span_id = joined.parent.map_or_else(Vec::new, SpanId::to_bytes);
    if joined.half().is_none() {
        otlp.attributes.retain(|kv| kv.key != attribute::HALF);
        if let Some(path) = joined.role().filter(|role| role.is_path()) {
            path.as_str().clone_into(&mut otlp.name);
        }
    }
    if let Some(facts) = joined.facts() {
        write_facts(facts, &mut otlp.attributes);
        facts
            .skew
            .iter()
            .for_each(|skew| set_skew(*skew, &mut otlp));
    }
    Some(otlp)
}

/// A hop that had no span, in the trace of `path`.
pub(super) fn new_hop(hop: &Span, path: &OtlpSpan) -> OtlpSpan {
    let mut otlp = OtlpSpan {
        trace_id: path.trace_id.clone(),
        span_id: hop.id.to_bytes(),
        parent_span_id: hop.parent.map_or_else(Vec::new, SpanId::to_bytes),
        name: hop.name.to_string(),
        kind: path.kind,
        flags: path.flags,
        ..OtlpSpan::default()
    };
    set(&mut otlp, attribute::ROLE, text(Role::Hop.as_str()));
    set(&mut otlp, attribute::HOP, text(hop.name.as_str()));
    let interface = hop.data_plane().and_then(|hop| hop.interface.as_ref());
    if let Some(interface) = interface {
        set(
            &mut otlp,
            otel::NETWORK_INTERFACE_NAME,
            text(interface.as_str()),
        );
    }
    set_times(&mut otlp, hop);
    otlp
}

/// Writes the hops of a joined path, which are in order, as its attribute, unless they are spans.
pub(super) fn set_hops(path: &mut OtlpSpan, hops: &[&Span], are_spans: bool) {
    path.attributes.retain(|kv| kv.key != attribute::HOPS);
    if !are_spans && !hops.is_empty() {
        let all: Vec<String> = hops.iter().map(|hop| hop_text(hop)).collect();
        set(path, attribute::HOPS, text(&all.join(", ")));
    }
    let has_longest = path
        .attributes
        .iter()
        .any(|kv| kv.key == attribute::LONGEST_HOP_NAME);
    if let Some(longest) = hops
        .iter()
        .max_by_key(|hop| hop.duration_ns())
        .filter(|_| has_longest)
    {
        let ns = i64::try_from(longest.duration_ns()).unwrap_or(i64::MAX);
        set(
            path,
            attribute::LONGEST_HOP_NAME,
            text(longest.name.as_str()),
        );
        set(
            path,
            attribute::LONGEST_HOP_DURATION_NS,
            Value::IntValue(ns),
        );
    }
}

fn hop_text(hop: &Span) -> String {
    let interface = hop.data_plane().and_then(|hop| hop.interface.as_ref());
    let interface = interface.map_or_else(String::new, |name| format!("{name} "));
    format!("{} {interface}{}", hop.name, hop.duration_ns())
}

/// Adds the attributes, events and links of the server's half, and its status where the client's
/// did not fail.
fn add(mut first: OtlpSpan, second: OtlpSpan) -> OtlpSpan {
    let known: HashSet<String> = first.attributes.iter().map(|kv| kv.key.clone()).collect();
    let new = second
        .attributes
        .into_iter()
        .filter(|kv| !known.contains(&kv.key));
    first.attributes.extend(new);
    // When the client read the first byte, its own node knows.
    let has_first_byte = (first.events.iter()).any(|event| event.name == RESPONSE_FIRST_BYTE);
    let others = second.events.into_iter();
    let others = others.filter(|event| !has_first_byte || event.name != RESPONSE_FIRST_BYTE);
    first.events.extend(others);
    first.events.sort_by_key(|event| event.time_unix_nano);
    first.links.extend(second.links);
    let failed = |span: &OtlpSpan| {
        let status = span.status.as_ref();
        status.is_some_and(|status| status.code == StatusCode::Error as i32)
    };
    if !failed(&first) {
        first.status = second.status.or(first.status);
    }
    first
}

/// As agents write the times of a span: a span without a length ends a microsecond after its start,
/// and a short one has its length as an attribute.
fn set_times(otlp: &mut OtlpSpan, span: &Span) {
    otlp.start_time_unix_nano = span.start_ns;
    otlp.end_time_unix_nano = span.end_ns;
    otlp.attributes
        .retain(|kv| kv.key != attribute::DURATION_NS);
    let length_ns = span.duration_ns();
    if length_ns < MICROSECOND_NS && span.data_plane().is_some() {
        if span.end_ns == span.start_ns {
            otlp.end_time_unix_nano = span.start_ns.saturating_add(MICROSECOND_NS);
        }
        set(
            otlp,
            attribute::DURATION_NS,
            Value::IntValue(length_ns.cast_signed()),
        );
    }
}

/// The values that are not simply those of the first half that has them.
fn write_facts(facts: &Facts, attributes: &mut [KeyValue]) {
    for kv in attributes {
        match (kv.key.as_str(), &facts.incomplete) {
            (attribute::TCP_RETRANSMITS, _) => {
                let value = Some(Value::IntValue(facts.retransmits.cast_signed()));
                kv.value = Some(AnyValue { value });
            }
            (attribute::INCOMPLETE, Some(what)) if !what.as_str().is_empty() => {
                let value = Some(text(what.as_str()));
                kv.value = Some(AnyValue { value });
            }
            _ => {}
        }
    }
}

fn set_skew(skew: Skew, otlp: &mut OtlpSpan) {
    let taken_ns = i64::try_from(skew.taken_ns).unwrap_or(i64::MAX);
    set(otlp, attribute::CLOCK_SKEW_NS, Value::IntValue(taken_ns));
    if let Some(bound_ns) = skew.bound_ns {
        let bound_ns = i64::try_from(bound_ns).unwrap_or(i64::MAX);
        set(
            otlp,
            attribute::CLOCK_SKEW_BOUND_NS,
            Value::IntValue(bound_ns),
        );
    }
}

/// Sets an attribute, in the place of another with this key.
fn set(otlp: &mut OtlpSpan, key: &str, value: Value) {
    otlp.attributes.retain(|kv| kv.key != key);
    otlp.attributes.push(KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    });
}

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}
