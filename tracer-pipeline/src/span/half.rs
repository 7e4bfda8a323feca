//! The half of an exchange that a node has seen, where it has not seen both.
//!
//! Each agent exports what its own node saw. The spans of both nodes have the same ids for
//! exchange, connect, request, response and wire; of the wire one node has the departure and the
//! other the arrival. A viewer joins spans of the same id.

use std::fmt::{self, Display};

use crate::{
    flow::Side,
    http::{Connect, Exchange, Leg},
};

use super::http_attributes;

/// The side on this node; `None` where both are.
pub(super) fn of(exchange: &Exchange) -> Option<Side> {
    if exchange.request.journey.has_arrived() {
        return Some(Side::Server);
    }
    let others = [&exchange.response, &exchange.response_last]
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

/// The id part of a hop on this node. It includes the half, because a node may see both halves of
/// an exchange separately, where the packets pass through another node.
pub(super) fn hop_part(role: &str, node: &str, half: Option<Side>, index: usize) -> impl Display {
    fmt::from_fn(move |f| match half {
        None => write!(f, "{role} {node} {index}"),
        Some(half) => write!(f, "{role} {node} {} {index}", http_attributes::side(half)),
    })
}

/// The id part of a wire hop, the same on both nodes. In a connect, the SYN's wire is number 1.
pub(super) fn wire_part(role: &str, number: usize) -> impl Display {
    fmt::from_fn(move |f| write!(f, "{role} wire {number}"))
}
