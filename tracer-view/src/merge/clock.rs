//! The clock of the server's node. In: an exchange. Out: how far that clock is off from the
//! client's, as far as the spans show.

use std::collections::{HashMap, HashSet};

use tracer_semconv::{Role, Side};

use super::exchange::Exchange;
use super::index::Index;
use super::interval::Interval;
use crate::id::SpanId;
use crate::span::{DataPlane, Skew, Span};

/// How far the server's clock is off: by the packets that crossed the wire, or, without the
/// client's half, by the client's own span, in which the request was sent and the response
/// received. `None` where nothing is known, and where one agent sent both halves, because one agent
/// has one clock.
pub(super) fn skew(exchange: &Exchange, index: &Index<'_>) -> Option<Skew> {
    let server = exchange.server_half?;
    let sender = |at: usize| &index.spans[at].resource.sender;
    match exchange.client_half {
        Some(client) if sender(client) == sender(server) => None,
        Some(client) => by_wire(exchange, index, [client, server]),
        None => by_client_span(exchange, index, server),
    }
}

fn by_wire(exchange: &Exchange, index: &Index<'_>, halves: [usize; 2]) -> Option<Skew> {
    let roles = [Role::Connect, Role::Request, Role::Response];
    let is_sure = |role: &Role| !was_retransmitted(exchange, index, *role);
    let (sure, unsure): (Vec<Role>, Vec<Role>) = roles.into_iter().partition(is_sure);
    let mut interval = Interval::default();
    // Of a message that was retransmitted, the two nodes may have recorded different packets.
    for role in sure.into_iter().chain(unsure) {
        if interval.is_bounded() && was_retransmitted(exchange, index, role) {
            break;
        }
        let mut crossings = crossings(exchange, index, role, halves);
        crossings.sort_unstable();
        for (number, (at_client_ns, at_server_ns)) in crossings.into_iter().enumerate() {
            match sender(role, number) {
                Side::Client => interval.client_sent(at_client_ns, at_server_ns),
                Side::Server => interval.server_sent(at_server_ns, at_client_ns),
            }
        }
    }
    interval.skew()
}

/// Of a handshake the SYN crosses first.
fn sender(role: Role, number: usize) -> Side {
    match (role, number) {
        (Role::Response, _) | (Role::Connect, 1..) => Side::Server,
        _ => Side::Client,
    }
}

fn was_retransmitted(exchange: &Exchange, index: &Index<'_>, role: Role) -> bool {
    let facts = |at: usize| index.spans[at].facts();
    let mut paths = paths(exchange, index, role).filter_map(facts);
    paths.any(|facts| facts.retransmits > 0)
}

/// When packets of a path were on the wire, by the client's clock and by the server's.
fn crossings(
    exchange: &Exchange,
    index: &Index<'_>,
    role: Role,
    [client, server]: [usize; 2],
) -> Vec<(u64, u64)> {
    let spans = index.spans;
    let paths: HashSet<SpanId> = paths(exchange, index, role)
        .map(|at| spans[at].id)
        .collect();
    let wires = || {
        let below = paths.iter().flat_map(|&path| index.children(path));
        below.map(|&at| &spans[at]).filter(|span| is_wire(span))
    };
    let of_agent = |half: usize| {
        let sender = &spans[half].resource.sender;
        wires().filter(move |wire| wire.resource.sender == *sender)
    };
    let at_server: HashMap<SpanId, u64> = of_agent(server)
        .map(|wire| (wire.id, wire.start_ns))
        .collect();
    of_agent(client)
        .filter_map(|wire| Some((wire.start_ns, *at_server.get(&wire.id)?)))
        .collect()
}

fn by_client_span(exchange: &Exchange, index: &Index<'_>, server: usize) -> Option<Skew> {
    let spans = index.spans;
    let half = &spans[server];
    let client = half.parent.and_then(|id| index.application(id))?;
    if client.start_ns == 0 || client.end_ns < client.start_ns {
        return None;
    }
    let requests = paths(exchange, index, Role::Request);
    let of_server = |&at: &usize| spans[at].resource.sender == half.resource.sender;
    let requests = requests.filter(of_server).map(|at| spans[at].start_ns);
    let within = |start_ns: u64| {
        let mut interval = Interval::default();
        interval.client_sent(client.start_ns, start_ns);
        interval.server_sent(half.end_ns, client.end_ns);
        interval.skew()
    };
    // The handshake may be older than the client's span, where a pool opened the connection ahead.
    // So a handshake outside the client's span shows nothing, unless the request is outside, too.
    let request = within(requests.min().unwrap_or(half.start_ns));
    match request {
        Some(skew) if skew.taken_ns != 0 => within(half.start_ns).or(request),
        _ => request,
    }
}

fn paths(exchange: &Exchange, index: &Index<'_>, role: Role) -> impl Iterator<Item = usize> {
    let below = index.children(exchange.id).iter().copied();
    below.filter(move |&at| index.spans[at].role() == Some(role))
}

fn is_wire(span: &Span) -> bool {
    span.data_plane().is_some_and(DataPlane::is_wire)
}
