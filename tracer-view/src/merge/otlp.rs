//! The merge for OTLP, for back ends that show spans as they were sent. In: requests as they were
//! received. Out: the same requests with each span once: a joined span stands in the place of the
//! client's half, and a hop that had no span beside the half that it was measured in.
//!
//! [`join`](super::join) decides what becomes of the spans, [`write`](super::write) what stands in
//! them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as OtlpSpan};
use tracer_semconv::{Role, scope};

use super::join::{Joined, Merged, join};
use super::write::{joined_span, moved, new_hop, set_hops};
use crate::decode::names::Names;
use crate::decode::span::{resource, span};
use crate::id::{SpanId, TraceId};
use crate::span::Span;

/// The position of a span: request, resource, scope, span.
type Position = [usize; 4];

/// What to put in the place of each span; nothing where it went into another or was sent again.
type Changes = HashMap<Position, Vec<OtlpSpan>>;

/// The spans of one trace, each beside its position.
#[derive(Default)]
struct Trace {
    positions: Vec<Position>,
    spans: Vec<Span>,
}

/// Merges everything in `requests`; spans without valid ids stay as they are.
pub fn merge_requests(requests: &[ExportTraceServiceRequest]) -> Vec<ExportTraceServiceRequest> {
    let (traces, mut changes) = read(requests);
    for trace in traces.into_values() {
        trace.change(requests, &mut changes);
    }
    let mut merged = requests.to_vec();
    for (request, merged) in merged.iter_mut().enumerate() {
        for (resource, of_resource) in merged.resource_spans.iter_mut().enumerate() {
            for (scope, of_scope) in of_resource.scope_spans.iter_mut().enumerate() {
                let sent = std::mem::take(&mut of_scope.spans).into_iter().enumerate();
                let kept = sent.flat_map(|(number, sent)| {
                    let change = changes.remove(&[request, resource, scope, number]);
                    change.unwrap_or_else(|| vec![sent])
                });
                of_scope.spans = kept.collect();
            }
        }
    }
    merged
}

/// The traces, and as changes the spans that were sent again.
fn read(requests: &[ExportTraceServiceRequest]) -> (HashMap<TraceId, Trace>, Changes) {
    let (mut traces, mut again) = (HashMap::<TraceId, Trace>::new(), Changes::new());
    let mut known: HashSet<(TraceId, SpanId)> = HashSet::new();
    let mut names = Names::default();
    for (position, of_resource, scope_name, otlp) in positions(requests) {
        let of_resource = of_resource.resource.as_ref();
        let of_resource = Arc::new(resource(of_resource.map_or(&[], |from| &from.attributes)));
        let by_hopspan = scope_name == scope::NAME;
        let Some((id, span)) = span(otlp, &of_resource, by_hopspan, &mut names) else {
            continue;
        };
        if !known.insert((id, span.id)) {
            again.insert(position, Vec::new());
            continue;
        }
        let trace = traces.entry(id).or_default();
        trace.positions.push(position);
        trace.spans.push(span);
    }
    (traces, again)
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

fn at(requests: &[ExportTraceServiceRequest], position: Position) -> Option<&OtlpSpan> {
    let [request, resource, scope, span] = position;
    let of_resource = requests.get(request)?.resource_spans.get(resource)?;
    of_resource.scope_spans.get(scope)?.spans.get(span)
}

/// The hops of the joined paths, in their order.
struct HopsOfJoined<'a>(HashMap<SpanId, Vec<&'a Joined>>);

impl<'a> HopsOfJoined<'a> {
    fn of(joined: &'a [Joined]) -> Self {
        let is_path = |path: &&Joined| path.span.role().is_some_and(Role::is_path);
        let paths = joined
            .iter()
            .filter(is_path)
            .filter(|path| path.sent.len() > 1);
        let mut hops: HashMap<SpanId, Vec<&Joined>> =
            paths.map(|path| (path.span.id, Vec::new())).collect();
        for hop in joined
            .iter()
            .filter(|hop| hop.span.role() == Some(Role::Hop))
        {
            let path = hop.span.parent.and_then(|path| hops.get_mut(&path));
            path.into_iter().for_each(|hops| hops.push(hop));
        }
        for hops in hops.values_mut() {
            hops.sort_by_key(|hop| (hop.span.start_ns, hop.span.end_ns));
        }
        Self(hops)
    }

    /// Whether a hop of this path was sent as a span, so that all of them are spans.
    fn are_spans(&self, path: Option<SpanId>) -> bool {
        let hops = path.and_then(|path| self.0.get(&path));
        hops.is_some_and(|hops| hops.iter().any(|hop| !hop.sent.is_empty()))
    }
}

impl Trace {
    fn change(self, requests: &[ExportTraceServiceRequest], changes: &mut Changes) {
        let Merged { joined, left_out } = join(&self.spans);
        let left_out = left_out.iter().filter_map(|&at| self.positions.get(at));
        changes.extend(left_out.map(|&position| (position, Vec::new())));
        let hops = HopsOfJoined::of(&joined);
        for part in &joined {
            let position = self.positions[part.sent_in];
            let written = match part.sent.as_slice() {
                [] if hops.are_spans(part.span.parent) => {
                    at(requests, position).map(|path| new_hop(&part.span, path))
                }
                [] => None,
                [sent] if self.spans[sent.at] == part.span => None,
                _ => self.written(part, &hops, requests),
            };
            for sent in part.sent.iter().filter(|_| written.is_some()) {
                changes.entry(self.positions[sent.at]).or_default();
            }
            if let Some(written) = written {
                changes.entry(position).or_default().push(written);
            }
        }
    }

    fn written(
        &self,
        part: &Joined,
        hops: &HopsOfJoined<'_>,
        requests: &[ExportTraceServiceRequest],
    ) -> Option<OtlpSpan> {
        let sent = part.sent.iter().filter_map(|sent| {
            let otlp = at(requests, self.positions[sent.at])?;
            Some(moved(otlp.clone(), sent.moved_ns))
        });
        let mut otlp = joined_span(sent, &part.span)?;
        if let Some(of_path) = hops.0.get(&part.span.id) {
            let spans: Vec<&Span> = of_path.iter().map(|hop| &hop.span).collect();
            set_hops(&mut otlp, &spans, hops.are_spans(Some(part.span.id)));
        }
        Some(otlp)
    }
}
