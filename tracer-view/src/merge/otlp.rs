//! The merge for OTLP, for back ends that keep every copy of a span id, or only the last. In:
//! requests as they were received. Out: the same requests with each span once: a joined span stands
//! in the place of the client's half, with all attributes, events and links of its copies.
//!
//! [`join`](super::join) decides what becomes of the values that the viewer keeps; here they are
//! written back, and what the viewer does not keep is added up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as OtlpSpan};
use tracer_semconv::{attribute, scope};

use super::align::align;
use super::join::{Joined, join};
use crate::decode::names::Names;
use crate::decode::span::{resource, span};
use crate::id::{SpanId, TraceId};
use crate::span::{CopyKey, Facts, Skew, Span, shifted};

/// The position of a span: request, resource, scope, span.
type Position = [usize; 4];

/// The spans of one trace, each beside its position.
#[derive(Default)]
struct Trace {
    positions: Vec<Position>,
    spans: Vec<Span>,
}

/// Merges everything in `requests`; spans without valid ids stay as they are.
pub fn merge_requests(requests: &[ExportTraceServiceRequest]) -> Vec<ExportTraceServiceRequest> {
    let (traces, duplicates) = read(requests);
    let mut changes: HashMap<Position, Option<OtlpSpan>> = duplicates
        .into_iter()
        .map(|position| (position, None))
        .collect();
    for trace in traces.into_values() {
        changes.extend(trace.changes(requests));
    }
    let mut merged = requests.to_vec();
    for (request, merged) in merged.iter_mut().enumerate() {
        for (resource, of_resource) in merged.resource_spans.iter_mut().enumerate() {
            for (scope, of_scope) in of_resource.scope_spans.iter_mut().enumerate() {
                let sent = std::mem::take(&mut of_scope.spans).into_iter().enumerate();
                let kept = sent.filter_map(|(number, sent)| {
                    let change = changes.remove(&[request, resource, scope, number]);
                    change.unwrap_or(Some(sent))
                });
                of_scope.spans = kept.collect();
            }
        }
    }
    merged
}

/// The traces, and the positions of spans that were sent again.
fn read(requests: &[ExportTraceServiceRequest]) -> (HashMap<TraceId, Trace>, Vec<Position>) {
    let (mut traces, mut duplicates) = (HashMap::<TraceId, Trace>::new(), Vec::new());
    let mut known: HashSet<(TraceId, SpanId, Option<CopyKey>)> = HashSet::new();
    let mut names = Names::default();
    for (position, of_resource, scope_name, otlp) in positions(requests) {
        let of_resource = of_resource.resource.as_ref();
        let of_resource = Arc::new(resource(of_resource.map_or(&[], |from| &from.attributes)));
        let by_hopspan = scope_name == scope::NAME;
        let Some((id, span)) = span(otlp, &of_resource, by_hopspan, &mut names) else {
            continue;
        };
        if !known.insert((id, span.id, span.copy_key())) {
            duplicates.push(position);
            continue;
        }
        let trace = traces.entry(id).or_default();
        trace.positions.push(position);
        trace.spans.push(span);
    }
    (traces, duplicates)
}

fn positions(
    requests: &[ExportTraceServiceRequest],
) -> impl Iterator<Item = (Position, &ResourceSpans, &str, &OtlpSpan)> {
    requests
        .iter()
        .enumerate()
        .flat_map(|(request, of_request)| {
            let resources = of_request.resource_spans.iter().enumerate();
            resources.flat_map(move |(resource, of_resource)| {
                let scopes = of_resource.scope_spans.iter().enumerate();
                scopes.flat_map(move |(scope, of_scope)| {
                    let name = of_scope.scope.as_ref().map_or("", |scope| &scope.name);
                    let spans = of_scope.spans.iter().enumerate();
                    spans.map(move |(span, otlp)| {
                        ([request, resource, scope, span], of_resource, name, otlp)
                    })
                })
            })
        })
}

impl Trace {
    /// What to put in the positions of the trace's spans; `None` where the span went into another.
    fn changes(self, requests: &[ExportTraceServiceRequest]) -> Vec<(Position, Option<OtlpSpan>)> {
        let mut changes = Vec::new();
        for Joined { span, copies } in join(align(&self.spans)) {
            let positions = copies.iter().map(|copy| self.positions[copy.at]);
            let mut positions = positions.collect::<Vec<_>>().into_iter();
            let otlp = copies
                .iter()
                .filter_map(|copy| moved(requests, self.positions[copy.at], copy.moved_ns));
            let whole = otlp.reduce(add).map(|otlp| with_values(otlp, &span));
            if let (Some(whole), Some(first)) = (whole, positions.next()) {
                changes.push((first, Some(whole)));
                changes.extend(positions.map(|position| (position, None)));
            }
        }
        changes
    }
}

/// A span as it was sent, moved in time with its events.
fn moved(
    requests: &[ExportTraceServiceRequest],
    position: Position,
    by_ns: i128,
) -> Option<OtlpSpan> {
    let [request, resource, scope, span] = position;
    let of_resource = requests.get(request)?.resource_spans.get(resource)?;
    let mut span = of_resource.scope_spans.get(scope)?.spans.get(span)?.clone();
    let events = span
        .events
        .iter_mut()
        .map(|event| &mut event.time_unix_nano);
    let own = [&mut span.start_time_unix_nano, &mut span.end_time_unix_nano];
    own.into_iter()
        .chain(events)
        .for_each(|at_ns| *at_ns = shifted(*at_ns, by_ns));
    Some(span)
}

/// Adds the attributes, events and links of a second copy, and its status where the first did not
/// fail.
fn add(mut first: OtlpSpan, second: OtlpSpan) -> OtlpSpan {
    let known: HashSet<String> = first.attributes.iter().map(|kv| kv.key.clone()).collect();
    let new = second
        .attributes
        .into_iter()
        .filter(|kv| !known.contains(&kv.key));
    first.attributes.extend(new);
    first.events.extend(second.events);
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

/// Writes the joined values in the place of the first copy's.
fn with_values(mut otlp: OtlpSpan, joined: &Span) -> OtlpSpan {
    (otlp.start_time_unix_nano, otlp.end_time_unix_nano) = (joined.start_ns, joined.end_ns);
    let attributes = &mut otlp.attributes;
    if joined.half().is_none() {
        attributes.retain(|kv| kv.key != attribute::HALF);
    }
    if let Some(facts) = joined.facts() {
        write_facts(facts, attributes);
        attributes.extend(facts.skew.into_iter().flat_map(skew_attributes));
    }
    otlp
}

/// The values that are not simply those of the first copy that has them.
fn write_facts(facts: &Facts, attributes: &mut [KeyValue]) {
    for kv in attributes {
        match (kv.key.as_str(), &facts.incomplete) {
            (attribute::TCP_RETRANSMITS, _) => {
                kv.value = integer(facts.retransmits.cast_signed());
            }
            (attribute::INCOMPLETE, Some(what)) if !what.as_str().is_empty() => {
                let value = Some(Value::StringValue(what.to_string()));
                kv.value = Some(AnyValue { value });
            }
            _ => {}
        }
    }
}

fn skew_attributes(skew: Skew) -> impl Iterator<Item = KeyValue> {
    let taken_ns = i64::try_from(skew.taken_ns).unwrap_or(i64::MAX);
    let bound_ns = skew
        .bound_ns
        .map(|ns| i64::try_from(ns).unwrap_or(i64::MAX));
    let bound = bound_ns.map(|ns| (attribute::CLOCK_SKEW_BOUND_NS, ns));
    let both = [(attribute::CLOCK_SKEW_NS, taken_ns)]
        .into_iter()
        .chain(bound);
    both.map(|(key, ns)| KeyValue {
        key: key.to_owned(),
        value: integer(ns),
        ..KeyValue::default()
    })
}

fn integer(value: i64) -> Option<AnyValue> {
    let value = Some(Value::IntValue(value));
    Some(AnyValue { value })
}
