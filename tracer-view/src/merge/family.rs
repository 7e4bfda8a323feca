//! What belongs to one exchange, and what of it bears on the clocks. In: an exchange's id. Out: its halves, all that the
//! server's agent sent for it, and how far that agent's clock is off.

use std::collections::{HashMap, HashSet};

use tracer_semconv::{Role, Side};

use super::skew::{Interval, Skew};
use super::{Index, half};
use crate::span::{DataPlane, Span, SpanId};

/// The spans of one exchange, by their place in the trace.
pub(super) struct Family {
    pub(super) id: SpanId,
    /// The client's half.
    pub(super) client: Option<usize>,
    /// The server's half.
    pub(super) server: Option<usize>,
    /// The server's half and everything below it from the same agent.
    pub(super) of_server: Vec<usize>,
}

/// Which way a packet crossed the wire.
#[derive(Clone, Copy)]
enum Way {
    ToServer,
    ToClient,
}

/// Whether a span is an exchange's half: this one, or either.
pub(super) fn is_exchange(span: &Span, which: Option<Side>) -> bool {
    let is_which = half(span).is_some_and(|half| which.is_none_or(|which| which == half));
    span.role() == Some(Role::Exchange) && is_which
}

impl Family {
    pub(super) fn of(id: SpanId, index: &Index, spans: &[Span]) -> Self {
        let copies = index.copies.get(&id).map_or(&[][..], Vec::as_slice);
        let find = |which| {
            let mut copies = copies.iter().copied();
            copies.find(|&at| is_exchange(&spans[at], Some(which)))
        };
        let (client, server) = (find(Side::Client), find(Side::Server));
        let mut family = Self {
            id,
            client,
            server,
            of_server: Vec::new(),
        };
        if let Some(server) = server {
            family.of_server = from_same_agent(server, index, spans);
        }
        family
    }

    /// What is known of the server's clock: by packets that crossed the wire, or, without the client's agent, by the client's
    /// own span, which the request was sent and the response received in. One agent has one clock.
    pub(super) fn skew(&self, index: &Index, spans: &[Span]) -> Option<Skew> {
        let server = self.server?;
        match self.client {
            Some(client) if spans[client].resource.sender == spans[server].resource.sender => None,
            Some(client) => self.skew_by_wire(index, spans, [client, server]),
            None => self.skew_by_client_span(index, spans, server),
        }
    }

    fn skew_by_wire(
        &self,
        index: &Index,
        spans: &[Span],
        [client, server]: [usize; 2],
    ) -> Option<Skew> {
        let roles = [Role::Connect, Role::Request, Role::Response];
        let is_sure = |role: &Role| !self.was_sent_again(index, spans, *role);
        let (sure, unsure): (Vec<Role>, Vec<Role>) = roles.into_iter().partition(is_sure);
        let mut interval = Interval::default();
        // Of a message that was sent again, the two nodes may speak of different packets.
        for role in sure.into_iter().chain(unsure) {
            if interval.is_bounded() && self.was_sent_again(index, spans, role) {
                break;
            }
            let mut crossings = self.crossings(index, spans, role, [client, server]);
            crossings.sort_unstable();
            for (number, (at_client_ns, at_server_ns)) in crossings.into_iter().enumerate() {
                match way(role, number) {
                    Way::ToServer => interval.left_client(at_client_ns, at_server_ns),
                    Way::ToClient => interval.left_server(at_server_ns, at_client_ns),
                }
            }
        }
        interval.skew()
    }

    fn was_sent_again(&self, index: &Index, spans: &[Span], role: Role) -> bool {
        let facts = |at: usize| spans[at].data_plane()?.facts.as_ref();
        let mut paths = self.paths(index, spans, role).filter_map(facts);
        paths.any(|facts| facts.retransmits > 0)
    }

    /// When packets of a path were on the wire, by the client's clock and by the server's.
    fn crossings(
        &self,
        index: &Index,
        spans: &[Span],
        role: Role,
        [client, server]: [usize; 2],
    ) -> Vec<(u64, u64)> {
        let paths: HashSet<SpanId> = self
            .paths(index, spans, role)
            .map(|at| spans[at].id)
            .collect();
        let wires = || {
            let below = paths.iter().flat_map(|&path| index.below(path));
            below.map(|&at| &spans[at]).filter(|span| is_wire(span))
        };
        let of = |agent: usize| {
            let sender = &spans[agent].resource.sender;
            wires().filter(move |wire| wire.resource.sender == *sender)
        };
        let received: HashMap<SpanId, u64> =
            of(server).map(|wire| (wire.id, wire.start_ns)).collect();
        of(client)
            .filter_map(|wire| Some((wire.start_ns, *received.get(&wire.id)?)))
            .collect()
    }

    fn skew_by_client_span(&self, index: &Index, spans: &[Span], server: usize) -> Option<Skew> {
        let exchange = &spans[server];
        let client = exchange.parent.and_then(|id| index.application.get(&id))?;
        let client = &spans[*client];
        if client.start_ns == 0 || client.end_ns < client.start_ns {
            return None;
        }
        let requests = self.paths(index, spans, Role::Request);
        let of_server = |&at: &usize| spans[at].resource.sender == exchange.resource.sender;
        let requests = requests.filter(of_server).map(|at| spans[at].start_ns);
        let within = |start_ns: u64| {
            let mut interval = Interval::default();
            interval.left_client(client.start_ns, start_ns);
            interval.left_server(exchange.end_ns, client.end_ns);
            interval.skew()
        };
        // The handshake may be older than the client's span, where a pool opened the connection ahead: it says nothing of
        // clocks that nothing else contradicts.
        let request = within(requests.min().unwrap_or(exchange.start_ns));
        match request {
            Some(skew) if skew.taken_ns != 0 => within(exchange.start_ns).or(request),
            _ => request,
        }
    }

    fn paths(&self, index: &Index, spans: &[Span], role: Role) -> impl Iterator<Item = usize> {
        let below = index.below(self.id).iter().copied();
        below.filter(move |&at| spans[at].role() == Some(role))
    }
}

/// Of a handshake the SYN crosses first.
fn way(role: Role, number: usize) -> Way {
    match (role, number) {
        (Role::Response, _) | (Role::Connect, 1..) => Way::ToClient,
        _ => Way::ToServer,
    }
}

fn is_wire(span: &Span) -> bool {
    span.data_plane().is_some_and(DataPlane::is_wire)
}

/// An exchange and what is below it, as far as its own agent sent it. Another exchange has its own: however spans are nested,
/// each is looked at for one.
fn from_same_agent(top: usize, index: &Index, spans: &[Span]) -> Vec<usize> {
    let sender = &spans[top].resource.sender;
    let (mut found, mut open) = (vec![top], vec![spans[top].id]);
    // Ids come from outside and may form a cycle.
    let mut visited: HashSet<SpanId> = open.iter().copied().collect();
    while let Some(id) = open.pop() {
        for &at in index.below(id) {
            let is_own = spans[at].resource.sender == *sender;
            if is_own && spans[at].role() != Some(Role::Exchange) {
                found.push(at);
                if visited.insert(spans[at].id) {
                    open.push(spans[at].id);
                }
            }
        }
    }
    found
}
