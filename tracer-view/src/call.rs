//! The calls of a trace: client span, exchange and server span that belong together, and the parts
//! of the call's time. In: a tree. Out: one `Call` per client span that reached another service.
//! Pure; knows nothing of other traces.

use tracer_semconv::{HopName, Role};

use crate::span::{Facts, Kind, Span};
use crate::text::Text;
use crate::tree::{NodeId, Tree};

/// Client and server of a call, by service name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edge {
    /// `service.name` of the client span.
    pub client: Text,
    /// `service.name` of the server span; without a server span the destination of the exchange.
    pub server: Text,
}

/// One call from one service to another.
#[derive(Debug)]
pub struct Call {
    /// Client and server.
    pub edge: Edge,
    /// The calling application's span.
    pub client: NodeId,
    /// The exchanges under it: one, or more where the client tried again under one span.
    pub exchanges: Vec<NodeId>,
    /// The answering application's spans under it.
    pub servers: Vec<NodeId>,
    /// The parts of its time.
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
    /// Connect, request path and response path together. `None` unless both paths were measured: a
    /// sum with a part missing would look like a fast network.
    pub fn data_plane_ns(&self) -> Option<u64> {
        Some(self.connect_ns.unwrap_or(0) + self.request_ns? + self.response_ns?)
    }

    /// Data-plane time by client span, in 0..=1 unless clocks disagree.
    pub fn data_plane_share(&self) -> Option<f64> {
        let whole = (self.client_span_ns > 0).then_some(self.client_span_ns as f64)?;
        self.data_plane_ns().map(|ns| ns as f64 / whole)
    }

    /// The client span without data plane and server span: time in the client's own libraries.
    /// Negative when the parts overlap, as when a server starts to work before it has read the
    /// whole request.
    pub fn client_ns(&self) -> Option<i64> {
        let parts = self.data_plane_ns()?.saturating_add(self.server_span_ns?);
        Some((i128::from(self.client_span_ns) - i128::from(parts)) as i64)
    }
}

impl Call {
    /// All calls of a trace, by start.
    pub fn all(tree: &Tree<'_>) -> Vec<Self> {
        let mut calls: Vec<Self> = (0..tree.nodes.len())
            .filter_map(|id| Self::at(tree, id))
            .collect();
        calls.sort_by_key(|call| tree.nodes[call.client].span.start_ns);
        calls
    }

    /// The call that the span `client` is, or `None` when the span called no other service.
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

/// Some instrumentations set no span kind on the server span; another service's name shows a
/// server, too.
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

/// The first name that is known: the service, the address that the client connected to, the chosen
/// endpoint.
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
    connects.retain(|&connect| !is_of_another_call(tree.nodes[connect].span));
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

/// One node's part of a path between nodes is not whole.
fn is_whole(span: &Span) -> bool {
    span.data_plane().is_some_and(|path| path.half.is_none())
}

/// Whether a connect is below the exchange because it failed while the request was being served: it
/// is of another call.
fn is_of_another_call(connect: &Span) -> bool {
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
