//! Which side of an exchange a node has seen, where it has not seen both.
//!
//! Each agent sends what its own node saw, and derives the ids of what both saw alike: exchange,
//! connect, request, response, and the wire between them, of which the one knows when the packet left
//! and the other when it arrived. Whoever joins spans of one id has the whole.

use std::fmt::{self, Display};

use crate::{
    flow::Side,
    http::{Connect, Exchange, Leg},
};

use super::http_attributes;

/// The side that was on this node; `None` where both were.
pub(super) fn of(exchange: &Exchange) -> Option<Side> {
    if exchange.request.journey.has_arrived() {
        return Some(Side::Server);
    }
    let others = [&exchange.response, &exchange.trailers]
        .into_iter()
        .flatten();
    let mut legs = others.chain([&exchange.request]);
    let client = legs.any(crosses).then_some(Side::Client);
    client.or_else(|| exchange.connect.as_ref().and_then(of_connect))
}

/// The same of a connect, whose client is on this node.
pub(super) fn of_connect(connect: &Connect) -> Option<Side> {
    connect.legs().any(crosses).then_some(Side::Client)
}

fn crosses(leg: &Leg) -> bool {
    leg.journey.has_left() || leg.journey.has_arrived()
}

/// What tells a hop of this node from others of its path. A node may see both halves of an exchange,
/// each for itself, where a packet takes the way over another node.
pub(super) fn hop_part(role: &str, node: &str, half: Option<Side>, index: usize) -> impl Display {
    fmt::from_fn(move |f| match half {
        None => write!(f, "{role} {node} {index}"),
        Some(half) => write!(f, "{role} {node} {} {index}", http_attributes::side(half)),
    })
}

/// What tells a wire from others, alike on both nodes: of a connect the SYN's is the first.
pub(super) fn wire_part(role: &str, number: usize) -> impl Display {
    fmt::from_fn(move |f| write!(f, "{role} wire {number}"))
}
