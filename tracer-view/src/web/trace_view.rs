//! A trace as JSON. In: its spans and what was received of them. Out: the waterfall's spans and the
//! paths of each exchange. Pure.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use tracer_semconv::Role;

use super::model::{EventView, ExchangeView, LinkView, SpanView, TraceView};
use super::path_view::path;
use super::row::{indexes, row};
use super::value::{MOST_PARTS, attributes, cut};
use crate::call::Call;
use crate::exchange::Exchange;
use crate::headline::headline;
use crate::id::{SpanId, TraceId};
use crate::merge::{merge, merge_requests};
use crate::problem::{apart, failure, problems};
use crate::source;
use crate::span::{Kind, Span};
use crate::store::Source;
use crate::trace_summary::TraceSummary;
use crate::translation::translation;
use crate::tree::{NodeId, Tree};

/// `spans` and `sources` are of one trace, as the store has them.
pub(super) fn trace_view(
    trace: TraceId,
    spans: &[Span],
    sources: &[Source],
    refused_spans: u64,
) -> TraceView {
    let spans = merge(spans);
    let tree = Tree::new(&spans);
    let calls = Call::all(&tree);
    let summary = TraceSummary::of(&tree, &calls);
    let requests = merge_requests(&source::requests(sources));
    let received = Received::of(&requests);
    let exchanges = Exchange::all(&tree);
    let exchange_of: HashMap<NodeId, usize> = exchanges
        .iter()
        .enumerate()
        .flat_map(|(at, exchange)| exchange.paths.iter().map(move |&path| (path, at)))
        .collect();
    let indexes = indexes(&tree);
    let order = tree.depth_first().into_iter();
    let views = order.map(|(node, depth)| {
        let parent = tree.nodes[node].parent;
        let is_hop = tree.nodes[node].span.role() == Some(Role::Hop);
        let path = if is_hop { parent } else { Some(node) };
        SpanView {
            parent: parent.map(|parent| indexes[parent]),
            depth,
            exchange: path.and_then(|path| exchange_of.get(&path).copied()),
            ..span_view(&tree, node, &received)
        }
    });
    TraceView {
        row: row(trace, &tree, &summary, refused_spans),
        headline: headline(&tree, &summary),
        spans: views.collect(),
        exchanges: exchange_views(&tree, &calls, &exchanges, &indexes),
    }
}

fn exchange_views(
    tree: &Tree<'_>,
    calls: &[Call],
    exchanges: &[Exchange],
    indexes: &[usize],
) -> Vec<ExchangeView> {
    let call_of: HashMap<NodeId, &Call> = calls
        .iter()
        .flat_map(|call| {
            let paths = call.exchanges.iter().flat_map(|exchange| &exchange.paths);
            paths.map(move |&path| (path, call))
        })
        .collect();
    let views = exchanges.iter().map(|exchange| {
        let call = exchange.paths.first().and_then(|path| call_of.get(path));
        let edge = call.map(|call| &call.edge);
        let paths = exchange.paths.iter();
        ExchangeView {
            client: edge.map_or_else(String::new, |edge| edge.client.to_string()),
            server: edge.map_or_else(String::new, |edge| edge.server.to_string()),
            paths: paths
                .filter_map(|&node| path(tree, node, exchange, call.copied(), indexes))
                .collect(),
        }
    });
    views.collect()
}

fn span_view(tree: &Tree<'_>, node: NodeId, received: &Received<'_>) -> SpanView {
    let (span, detached) = (tree.nodes[node].span, tree.nodes[node].detached);
    let (otlp, resource) = received.0.get(&span.id).copied().unzip();
    let known = translation(span, None).into_iter();
    let known = known.flat_map(|known| [Some(known.addresses), known.rule]);
    let mut notes: Vec<String> = known.flatten().filter(|note| !note.is_empty()).collect();
    notes.extend(problems(span, None));
    SpanView {
        id: span.id.to_string(),
        parent: None,
        depth: 0,
        name: span.name.to_string(),
        service: span.resource.service.to_string(),
        kind: match span.kind {
            Kind::Client => "client",
            Kind::Server => "server",
            Kind::Other => "other",
        },
        layer: if span.data_plane().is_some() {
            "dataPlane"
        } else {
            "application"
        },
        role: span.role().map(Role::as_str),
        start_ns: span.start_ns.saturating_sub(tree.start_ns),
        duration_ns: span.duration_ns(),
        failure: failure(span),
        notes,
        exchange: None,
        detached: detached.map(apart),
        attributes: otlp.map_or_else(Vec::new, |otlp| attributes(&otlp.attributes)),
        resource: resource
            .flatten()
            .map_or_else(Vec::new, |resource| attributes(&resource.attributes)),
        events: otlp.map_or_else(Vec::new, |otlp| events(otlp, tree.start_ns)),
        links: otlp.map_or_else(Vec::new, links),
    }
}

fn events(otlp: &OtlpSpan, start_ns: u64) -> Vec<EventView> {
    let events = otlp.events.iter().map(|event| EventView {
        name: cut(&event.name),
        at_ns: event.time_unix_nano.saturating_sub(start_ns),
        attributes: attributes(&event.attributes),
    });
    events.take(MOST_PARTS).collect()
}

fn links(otlp: &OtlpSpan) -> Vec<LinkView> {
    let links = otlp.links.iter().filter_map(|link| {
        Some(LinkView {
            trace: TraceId::from_bytes(&link.trace_id)?.to_string(),
            span: SpanId::from_bytes(&link.span_id)?.to_string(),
            attributes: attributes(&link.attributes),
        })
    });
    links.take(MOST_PARTS).collect()
}

/// By span: what was received, and of which sender.
struct Received<'r>(HashMap<SpanId, (&'r OtlpSpan, Option<&'r Resource>)>);

impl<'r> Received<'r> {
    fn of(requests: &'r [ExportTraceServiceRequest]) -> Self {
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let spans = resources.flat_map(|of_resource| {
            let scopes = of_resource.scope_spans.iter();
            let spans = scopes.flat_map(|of_scope| &of_scope.spans);
            spans.map(|span| (span, of_resource.resource.as_ref()))
        });
        let by_id = spans.filter_map(|found| Some((SpanId::from_bytes(&found.0.span_id)?, found)));
        Self(by_id.collect())
    }
}
