//! The same merge for OTLP, so that a back end which keeps every copy of an id, or only the last, can be given whole spans. In:
//! requests as they were received. Out: the same requests with each span once, the merged ones in the place of the client's
//! half, with everything that either said.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use tracer_semconv::{attribute, scope};

use super::{Aligned, half, join};
use crate::decode::{Names, resource, span};
use crate::span::{Copied, Span, SpanId, TraceId};

/// Where a span is: request, resource, scope, span.
type Place = [usize; 4];

/// The spans of one trace, each beside its place.
#[derive(Default)]
struct Trace {
    places: Vec<Place>,
    spans: Vec<Span>,
}

/// Merges everything in `requests`; spans without valid ids stay as they are.
pub fn merge_requests(requests: &[ExportTraceServiceRequest]) -> Vec<ExportTraceServiceRequest> {
    let (traces, again) = read(requests);
    let mut changes: HashMap<Place, Option<OtlpSpan>> =
        again.into_iter().map(|place| (place, None)).collect();
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

/// The traces, and the places of spans that were sent again.
fn read(requests: &[ExportTraceServiceRequest]) -> (HashMap<TraceId, Trace>, Vec<Place>) {
    let (mut traces, mut again) = (HashMap::<TraceId, Trace>::new(), Vec::new());
    let mut known: HashSet<(TraceId, SpanId, Option<Copied>)> = HashSet::new();
    let mut names = Names::default();
    for (place, of_resource, scope_name, otlp) in places(requests) {
        let of_resource = of_resource.resource.as_ref();
        let of_resource = Arc::new(resource(of_resource.map_or(&[], |from| &from.attributes)));
        let by_hopspan = scope_name == scope::NAME;
        let Some((id, span)) = span(otlp, &of_resource, by_hopspan, &mut names) else {
            continue;
        };
        if !known.insert((id, span.id, span.copy())) {
            again.push(place);
            continue;
        }
        let trace = traces.entry(id).or_default();
        trace.places.push(place);
        trace.spans.push(span);
    }
    (traces, again)
}

type OfResource = opentelemetry_proto::tonic::trace::v1::ResourceSpans;

fn places(
    requests: &[ExportTraceServiceRequest],
) -> impl Iterator<Item = (Place, &OfResource, &str, &OtlpSpan)> {
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
    /// What becomes of the spans that were moved or merged; `None` for those that went into another.
    fn changes(self, requests: &[ExportTraceServiceRequest]) -> Vec<(Place, Option<OtlpSpan>)> {
        let Aligned { spans, moved_ns } = Aligned::of(&self.spans);
        let mut changes = Vec::new();
        for copies in join::groups(&spans) {
            let otlp = copies
                .iter()
                .map(|&at| moved(requests, self.places[at], moved_ns[at]));
            let Some(merged) = otlp.flatten().reduce(join_two) else {
                continue;
            };
            let Some(whole) = join::one_of(&spans, &copies) else {
                continue;
            };
            changes.extend(copies[1..].iter().map(|&at| (self.places[at], None)));
            changes.push((self.places[copies[0]], Some(told(merged, &whole))));
        }
        changes
    }
}

/// A span as it was sent, with its events, moved in time.
fn moved(requests: &[ExportTraceServiceRequest], place: Place, by_ns: i128) -> Option<OtlpSpan> {
    let [request, resource, scope, span] = place;
    let of_resource = requests.get(request)?.resource_spans.get(resource)?;
    let mut span = of_resource.scope_spans.get(scope)?.spans.get(span)?.clone();
    let events = span
        .events
        .iter_mut()
        .map(|event| &mut event.time_unix_nano);
    let own = [&mut span.start_time_unix_nano, &mut span.end_time_unix_nano];
    own.into_iter()
        .chain(events)
        .for_each(|at_ns| *at_ns = crate::span::shifted(*at_ns, by_ns));
    Some(span)
}

fn join_two(mut first: OtlpSpan, second: OtlpSpan) -> OtlpSpan {
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

/// What the merged span says instead of what its copies said.
fn told(mut otlp: OtlpSpan, whole: &Span) -> OtlpSpan {
    (otlp.start_time_unix_nano, otlp.end_time_unix_nano) = (whole.start_ns, whole.end_ns);
    if half(whole).is_none() {
        otlp.attributes.retain(|kv| kv.key != attribute::HALF);
    }
    let facts = whole
        .data_plane()
        .and_then(|data_plane| data_plane.facts.as_deref());
    let Some(facts) = facts else {
        return otlp;
    };
    for kv in &mut otlp.attributes {
        match (kv.key.as_str(), &facts.incomplete) {
            (attribute::TCP_RETRANSMITS, _) => kv.value = integer(facts.retransmits.cast_signed()),
            (attribute::INCOMPLETE, Some(what)) if !what.as_str().is_empty() => {
                let value = Some(Value::StringValue(what.to_string()));
                kv.value = Some(AnyValue { value });
            }
            _ => {}
        }
    }
    if let Some(skew) = facts.skew {
        let bound = skew.bound_ns.map(|ns| {
            (
                attribute::CLOCK_SKEW_BOUND_NS,
                i64::try_from(ns).unwrap_or(i64::MAX),
            )
        });
        let taken = i64::try_from(skew.taken_ns).unwrap_or(i64::MAX);
        for (key, value) in [(attribute::CLOCK_SKEW_NS, taken)].into_iter().chain(bound) {
            otlp.attributes.push(KeyValue {
                key: key.to_owned(),
                value: integer(value),
                ..KeyValue::default()
            });
        }
    }
    otlp
}

fn integer(value: i64) -> Option<AnyValue> {
    let value = Some(Value::IntValue(value));
    Some(AnyValue { value })
}
