//! The calls of a trace: which client span, exchange and server span belong together, and where the call's time went.
//! In: a tree. Out: one `Call` per client span that reached another service. Pure; knows nothing of other traces.

use tracer_semconv::{HopName, Role};

use crate::span::{Facts, Kind, Span};
use crate::text::Text;
use crate::tree::{NodeId, Tree};

/// Who called whom, by service name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edge {
    /// `service.name` of the client span.
    pub client: Text,
    /// `service.name` of the server span; where there is none, what the exchange says of its destination.
    pub server: Text,
}

/// One call from one service to another.
#[derive(Debug)]
pub struct Call {
    /// Who called whom.
    pub edge: Edge,
    /// The calling application's span.
    pub client: NodeId,
    /// The exchanges hopspan saw under it: one, or more when the client tried again under one span.
    pub exchanges: Vec<NodeId>,
    /// The answering application's spans under it.
    pub servers: Vec<NodeId>,
    /// Where the time went.
    pub times: Times,
}

/// The parts of a call, nanoseconds. `None`: not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Client span.
    pub client_span_ns: u64,
    /// SYN to SYN-ACK; `None` also when the connection was open already.
    pub connect_ns: Option<u64>,
    /// Client's send to server's read, with the socket queue.
    pub request_ns: Option<u64>,
    /// The last part of the request: in the receive queue until the server reads.
    pub socket_queue_ns: Option<u64>,
    /// Server span.
    pub server_span_ns: Option<u64>,
    /// Server's send to client's read.
    pub response_ns: Option<u64>,
}

impl Times {
    /// Connect, request path and response path together. `None` unless both paths were seen: a sum with a part missing
    /// would pass for a fast network.
    pub fn data_plane_ns(&self) -> Option<u64> {
        Some(self.connect_ns.unwrap_or(0) + self.request_ns? + self.response_ns?)
    }

    /// The data plane's part of the client span, in 0..=1 unless clocks disagree.
    pub fn data_plane_share(&self) -> Option<f64> {
        let whole = (self.client_span_ns > 0).then_some(self.client_span_ns as f64)?;
        self.data_plane_ns().map(|ns| ns as f64 / whole)
    }

    /// What is left of the client span without data plane and server span: time in the client's own libraries. Negative
    /// when the parts overlap, as they do when a server starts to work before it has read the whole request.
    pub fn client_ns(&self) -> Option<i64> {
        let parts = self.data_plane_ns()?.saturating_add(self.server_span_ns?);
        Some((i128::from(self.client_span_ns) - i128::from(parts)) as i64)
    }
}

impl Call {
    /// All calls of a trace, in the order they were made.
    pub fn all(tree: &Tree<'_>) -> Vec<Self> {
        let mut calls: Vec<Self> = (0..tree.nodes.len())
            .filter_map(|id| Self::at(tree, id))
            .collect();
        calls.sort_by_key(|call| tree.nodes[call.client].span.start_ns);
        calls
    }

    /// The call made by the span `client`, or `None` when that span called no other service.
    pub fn at(tree: &Tree<'_>, client: NodeId) -> Option<Self> {
        let span = tree.nodes[client].span;
        if span.data_plane().is_some() {
            return None;
        }
        let exchanges: Vec<NodeId> = tree.children_with(client, Role::Exchange).collect();
        let is_answer = |&id: &NodeId| answers(span, tree.nodes[id].span);
        let servers: Vec<NodeId> = tree.nodes[client]
            .children
            .iter()
            .copied()
            .filter(is_answer)
            .collect();
        if exchanges.is_empty() && servers.is_empty() {
            return None;
        }
        let edge = Edge {
            client: span.resource.service.clone(),
            server: server_name(tree, &servers, &exchanges),
        };
        let times = times(tree, span, &exchanges, &servers);
        Some(Self {
            edge,
            client,
            exchanges,
            servers,
            times,
        })
    }
}

/// Some instrumentations leave the span kind out; another service's name says as much.
fn answers(client: &Span, child: &Span) -> bool {
    let other_service = child.resource.service != client.resource.service;
    let remote = child.kind == Kind::Server || (client.kind == Kind::Client && other_service);
    child.data_plane().is_none() && remote
}

fn server_name(tree: &Tree<'_>, servers: &[NodeId], exchanges: &[NodeId]) -> Text {
    let by_server = servers
        .first()
        .map(|&id| tree.nodes[id].span.resource.service.clone());
    let by_exchange = || {
        let facts = exchanges
            .iter()
            .filter_map(|&id| tree.nodes[id].span.facts());
        facts.filter_map(destination_name).next()
    };
    by_server
        .or_else(by_exchange)
        .unwrap_or_else(|| Text::clean("?"))
}

/// The most telling name there is: service, then the address that was dialled, then where it went.
fn destination_name(facts: &Facts) -> Option<Text> {
    [&facts.service, &facts.nat_original, &facts.destination]
        .into_iter()
        .flatten()
        .next()
        .cloned()
}

fn times(tree: &Tree<'_>, client: &Span, exchanges: &[NodeId], servers: &[NodeId]) -> Times {
    let path = |role: Role| -> Vec<NodeId> {
        exchanges
            .iter()
            .flat_map(|&exchange| tree.children_with(exchange, role))
            .filter(|&path| is_whole(tree.nodes[path].span))
            .collect()
    };
    let mut connects = path(Role::Connect);
    connects.retain(|&connect| !is_another_s(tree.nodes[connect].span));
    let requests = path(Role::Request);
    let queues: Vec<NodeId> = requests
        .iter()
        .flat_map(|&request| tree.children_with(request, Role::Hop))
        .filter(|&hop| is_socket_queue(tree.nodes[hop].span))
        .collect();
    Times {
        client_span_ns: client.duration_ns(),
        connect_ns: total(tree, &connects),
        request_ns: total(tree, &requests),
        socket_queue_ns: total(tree, &queues),
        server_span_ns: total(tree, servers),
        response_ns: total(tree, &path(Role::Response)),
    }
}

/// What one node saw of a path to another is a part of it.
fn is_whole(span: &Span) -> bool {
    span.data_plane().is_some_and(|path| path.half.is_none())
}

/// Whether a connect is below an exchange only because it failed while that was served.
fn is_another_s(connect: &Span) -> bool {
    connect
        .facts()
        .is_some_and(|facts| facts.correlation.is_some())
}

fn is_socket_queue(span: &Span) -> bool {
    span.data_plane()
        .is_some_and(|hop| hop.is_hop(HopName::SocketQueue))
}

fn total(tree: &Tree<'_>, nodes: &[NodeId]) -> Option<u64> {
    let durations = nodes.iter().map(|&id| tree.nodes[id].span.duration_ns());
    (!nodes.is_empty()).then(|| durations.fold(0, u64::saturating_add))
}
