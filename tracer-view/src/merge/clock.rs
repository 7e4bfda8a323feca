//! The clock of the server's node. In: an exchange. Out: how far that clock is off from the
//! client's, as far as the spans show.

use tracer_semconv::{Role, Side};

use super::halves::ExchangeHalves;
use super::index::Index;
use super::interval::Interval;
use crate::span::{Skew, Span};

/// How far the server's clock is off: by the packets that crossed the wire, or, without the
/// client's half, by the client's own span, in which the request was sent and the response
/// received. `None` where nothing is known, and where one agent sent both halves, because one agent
/// has one clock.
pub(super) fn skew(exchange: &ExchangeHalves, index: &Index<'_>) -> Option<Skew> {
    let server = exchange.of_side(Side::Server).next()?;
    let sender = |at: usize| &index.spans[at].resource.sender;
    match exchange.of_side(Side::Client).next() {
        Some(client) if sender(client) == sender(server) => None,
        Some(_) => by_wire(exchange, index),
        None => by_client_span(exchange, index),
    }
}

fn by_wire(exchange: &ExchangeHalves, index: &Index<'_>) -> Option<Skew> {
    let whole = || exchange.whole().filter(|(role, _)| role.is_path());
    let is_sure = |path: &(Role, [usize; 2])| !was_retransmitted(path.1, index);
    let (sure, unsure): (Vec<_>, Vec<_>) = whole().partition(is_sure);
    let mut interval = Interval::default();
    for (role, halves) in sure {
        add_crossings(role, halves, index, &mut interval);
    }
    // Of a message that was retransmitted, the two nodes may have recorded different packets.
    for (role, halves) in unsure {
        if !interval.is_bounded() {
            add_crossings(role, halves, index, &mut interval);
        }
    }
    interval.skew()
}

fn was_retransmitted(halves: [usize; 2], index: &Index<'_>) -> bool {
    let mut facts = halves.iter().filter_map(|&at| index.spans[at].facts());
    facts.any(|facts| facts.retransmits > 0)
}

/// Adds the packets of a path that crossed the wire.
fn add_crossings(role: Role, halves: [usize; 2], index: &Index<'_>, interval: &mut Interval) {
    let [client, server] = halves.map(|at| &index.spans[at]);
    match role {
        Role::Request => interval.client_sent(client.end_ns, server.start_ns),
        Role::Response => interval.server_sent(server.end_ns, client.start_ns),
        Role::Connect => {
            if let Some(wire) = index.wire(halves[0]).map(|at| &index.spans[at]) {
                interval.client_sent(wire.start_ns, server.start_ns);
                interval.server_sent(server.end_ns, wire.end_ns);
            }
        }
        Role::Exchange | Role::Hop => {}
    }
}

fn by_client_span(exchange: &ExchangeHalves, index: &Index<'_>) -> Option<Skew> {
    let halves = || exchange.of_side(Side::Server).map(|at| &index.spans[at]);
    let parent = halves().find_map(|half| half.parent)?;
    let client = index.application(parent)?;
    if client.start_ns == 0 || client.end_ns < client.start_ns {
        return None;
    }
    // A client may end its span before it has read the whole body.
    let first_byte_ns = |at: usize| match index.body(at) {
        Some(body) => index.spans[body].start_ns,
        None => index.spans[at].end_ns,
    };
    let end_ns = exchange.of_side(Side::Server).map(first_byte_ns).max()?;
    let within = |start_ns: u64| {
        let mut interval = Interval::default();
        interval.client_sent(client.start_ns, start_ns);
        interval.server_sent(end_ns, client.end_ns);
        interval.skew()
    };
    // The handshake may be older than the client's span, where a pool opened the connection ahead.
    // So a handshake outside the client's span shows nothing, unless the rest is outside, too.
    let start = |half: &Span| half.start_ns;
    let is_handshake = |half: &&Span| half.role() == Some(Role::Connect);
    let first_ns = halves().map(start).min()?;
    let later_ns = halves().filter(|half| !is_handshake(half)).map(start).min();
    let later = within(later_ns.unwrap_or(first_ns));
    match later {
        Some(skew) if skew.taken_ns != 0 => within(first_ns).or(later),
        _ => later,
    }
}
