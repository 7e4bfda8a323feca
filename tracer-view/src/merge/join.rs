//! The halves of a path to one span. In: the spans of a trace in any order. Out: the spans on one
//! clock, with the spans that each was made of. A joined span has the id of the client's half. The
//! rules of joining are here and in [`facts`](super::facts); the application's spans are not joined.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tracer_semconv::Role;

use super::align::align;
use super::facts::join_facts;
use super::halves::ExchangeHalves;
use super::hops::{Expanded, expand};
use super::index::Index;
use super::wire::Wires;
use crate::id::SpanId;
use crate::span::{DataPlane, Layer, Span};

/// One span of the result.
pub(super) struct Joined {
    pub(super) span: Span,
    /// The spans that it was made of; the client's half is first. None for a hop that had no span.
    pub(super) sent: Vec<Sent>,
    /// The position of the span that it was sent in, or of the half whose packet was on the wire.
    pub(super) sent_in: usize,
}

/// A span as it was sent.
pub(super) struct Sent {
    /// Position in the input.
    pub(super) at: usize,
    /// Nanoseconds by which it was moved in time.
    pub(super) moved_ns: i128,
}

/// The result.
pub(super) struct Merged {
    pub(super) joined: Vec<Joined>,
    /// Positions of the hops that are in no span of it.
    pub(super) left_out: HashSet<usize>,
}

/// Joins the halves of each path, and of each root of a trace that hopspan began.
pub(super) fn join(spans: &[Span]) -> Merged {
    let Expanded {
        spans: mut expanded,
        sent_in,
    } = expand(spans);
    let exchanges = ExchangeHalves::all(&expanded);
    let left_out = end_with_first_byte(&mut expanded, &exchanges);
    let moved_ns = align(&mut expanded, &exchanges);
    let wires = wires(&mut expanded, &exchanges);
    let whole = exchanges.iter().flat_map(ExchangeHalves::whole);
    let server_of: HashMap<usize, usize> = whole.map(|(_, [client, of])| (client, of)).collect();
    let servers: HashSet<usize> = server_of.values().copied().collect();
    let id = |at: usize| expanded[at].id;
    let ids = server_of
        .iter()
        .map(|(&client, &server)| (id(server), id(client)));
    let ids: HashMap<SpanId, SpanId> = ids.collect();
    let sent = |at: usize| {
        let moved_ns = moved_ns[at];
        (at < spans.len()).then_some(Sent { at, moved_ns })
    };
    let mut joined: Vec<Joined> = Vec::with_capacity(expanded.len() + wires.len());
    for (at, span) in expanded.iter().enumerate() {
        if servers.contains(&at) || left_out.contains(&at) {
            continue;
        }
        let server = server_of.get(&at).copied();
        let span = server.map_or_else(|| span.clone(), |of| join_two(span, &expanded[of]));
        joined.push(Joined {
            span: below(span, &ids),
            sent: [Some(at), server]
                .into_iter()
                .flatten()
                .filter_map(sent)
                .collect(),
            sent_in: sent_in[at],
        });
    }
    let wires = wires.into_iter().map(|(span, of)| Joined {
        span,
        sent: Vec::new(),
        sent_in: of,
    });
    joined.extend(wires);
    Merged { joined, left_out }
}

/// Ends the server's half of each response with its first packet. The time in which the server's
/// node saw the rest of the body leave is within the client's `body`, or on the wire with it.
/// Returns the hops that the halves no longer have.
fn end_with_first_byte(spans: &mut [Span], exchanges: &[ExchangeHalves]) -> HashSet<usize> {
    let index = Index::of(spans);
    let halves = exchanges
        .iter()
        .filter_map(|of| of.halves(Role::Response).both());
    let bodies = halves.filter_map(|[_, server]| Some((server, index.body(server)?)));
    let bodies: Vec<(usize, usize)> = bodies.collect();
    for &(server, body) in &bodies {
        spans[server].end_ns = spans[body].start_ns;
    }
    bodies.into_iter().map(|(_, body)| body).collect()
}

/// The new wires, each with the position of the half whose packet it is.
fn wires(spans: &mut [Span], exchanges: &[ExchangeHalves]) -> Vec<(Span, usize)> {
    let index = Index::of(spans);
    let whole = exchanges.iter().flat_map(ExchangeHalves::whole);
    let all: Vec<Wires> = whole
        .map(|(role, halves)| Wires::of(role, halves, &index))
        .collect();
    let (mut new, mut shortened) = (Vec::new(), Vec::new());
    for wires in all {
        new.extend(wires.new);
        shortened.extend(wires.syn);
    }
    for (syn, at) in shortened {
        spans[at] = syn;
    }
    new
}

/// The span below the joined one, where its parent was the server's half.
fn below(mut span: Span, ids: &HashMap<SpanId, SpanId>) -> Span {
    if span.data_plane().is_some() {
        let parent = span.parent;
        span.parent = parent.map(|parent| ids.get(&parent).copied().unwrap_or(parent));
    }
    span
}

/// From the first start to the last end, with the values of both; where both have a value, the
/// client's.
fn join_two(client: &Span, server: &Span) -> Span {
    let mut whole = client.clone();
    whole.start_ns = match (client.start_ns, server.start_ns) {
        (0, only) | (only, 0) => only,
        (a, b) => a.min(b),
    };
    whole.end_ns = client.end_ns.max(server.end_ns);
    whole.failure = client.failure.clone().or_else(|| server.failure.clone());
    if let (Layer::DataPlane(to), Layer::DataPlane(from)) = (&mut whole.layer, &server.layer) {
        join_layers(to, from);
        to.peer = Some(Arc::clone(&server.resource));
    }
    whole
}

fn join_layers(to: &mut DataPlane, from: &DataPlane) {
    to.half = None;
    to.facts = match (to.facts.take(), from.facts.clone()) {
        (Some(a), Some(b)) => Some(Box::new(join_facts(*a, *b))),
        (a, b) => a.or(b),
    };
}
