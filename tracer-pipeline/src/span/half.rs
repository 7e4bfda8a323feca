//! The half of an exchange that a node has seen, where it has not seen both.
//!
//! Each agent exports what its own node saw, as spans of its own. The wire is between the halves: a
//! request leaves the client's node in one span and arrives at the server's in another. Names tell
//! the two apart, and `hopspan.exchange.id` ties them.

use std::fmt::{self, Display};

use tracer_semconv::Role;

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

/// The name of the span of a path.
pub(super) fn path_name(role: Role, half: Option<Side>) -> &'static str {
    match (role, half) {
        (Role::Connect, Some(Side::Server)) => "connect from wire",
        (Role::Request, Some(Side::Client)) => "request to wire",
        (Role::Request, Some(Side::Server)) => "request from wire",
        (Role::Response, Some(Side::Client)) => "response from wire",
        (Role::Response, Some(Side::Server)) => "response to wire",
        _ => role.as_str(),
    }
}

/// The id part of a span of this node. It includes the half, because a node may see both halves of
/// an exchange separately, where the packets pass through another node.
pub(super) fn part(role: Role, node: &str, half: Option<Side>) -> impl Display {
    let half = half.map_or("", http_attributes::side);
    fmt::from_fn(move |f| write!(f, "{} {node} {half}", role.as_str()))
}
