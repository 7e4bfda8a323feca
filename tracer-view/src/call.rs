//! The calls of a trace: client span, exchanges and server span that belong together, and the parts
//! of the call's time. In: a tree. Out: one `Call` per client span that reached another service, and
//! per exchange that is the root of a trace without spans of the application. Pure; knows nothing of
//! other traces.

use tracer_semconv::{HopName, Role};

use crate::exchange::{Exchange, data_plane_ns, hop_ns};
use crate::hop_times::HopTimes;
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
    /// The calling application's span, or the exchange that stands for it.
    pub client: NodeId,
    /// The exchanges under it: one, or more where the client tried again under one span.
    pub exchanges: Vec<Exchange>,
    /// The answering application's spans under it.
    pub servers: Vec<NodeId>,
    /// The parts of its time.
    pub times: Times,
}

/// The parts of a call, nanoseconds. `None`: not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Client span, or the exchange that stands for it.
    pub client_span_ns: u64,
    /// SYN to SYN-ACK; `None` also when the connection was open already.
    pub connect_ns: Option<u64>,
    /// Client's send to server's read, with the socket queue.
    pub request_ns: Option<u64>,
    /// The last part of the request: in the receive queue until the server reads.
    pub socket_queue_ns: Option<u64>,
    /// Server span. Below an exchange that is a root: from the read of the request to the send of the
    /// response.
    pub server_span_ns: Option<u64>,
    /// Server's send to client's read of the first byte.
    pub response_ns: Option<u64>,
    /// The rest of the response's body, which is no part of the data plane: it comes as the server
    /// sends it. `None` where the first read was the last.
    pub body_ns: Option<u64>,
    /// Request and response by kinds of hops.
    pub hops: HopTimes,
}

impl Times {
    /// Connect, request path and response path together. `None` unless both paths were measured: a
    /// sum with a part missing would look like a fast network.
    pub fn data_plane_ns(&self) -> Option<u64> {
        let paths = self.request_ns?.saturating_add(self.response_ns?);
        Some(paths.saturating_add(self.connect_ns.unwrap_or(0)))
    }

    /// Data-plane time by client span, in 0..=1 unless clocks disagree.
    pub fn data_plane_share(&self) -> Option<f64> {
        let whole = (self.client_span_ns > 0).then_some(self.client_span_ns as f64)?;
        self.data_plane_ns().map(|ns| ns as f64 / whole)
    }

    /// The client span without data plane and server span: time in the client's own libraries, and of
    /// a body that goes on after the server span.
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
        if span.role() == Some(Role::Exchange) {
            return Self::of_exchange(tree, client);
        }
        if span.data_plane().is_some() {
            return None;
        }
        let exchanges = Exchange::among(tree, &tree.nodes[client].children);
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
        let server_ns = sum(servers.iter().map(|&id| tree.nodes[id].span.duration_ns()));
        let times = times(tree, span, &exchanges, server_ns);
        Some(Self {
            edge,
            client,
            exchanges,
            servers,
            times,
        })
    }

    /// The call that an exchange is whose client sent no span. The server worked between the two
    /// paths.
    fn of_exchange(tree: &Tree<'_>, root: NodeId) -> Option<Self> {
        let exchanges = Exchange::among(tree, &tree.nodes[root].children);
        let facts = || exchanges.iter().flat_map(|exchange| exchange.facts(tree));
        let unknown = || Text::clean("?");
        let edge = Edge {
            client: facts()
                .find_map(|facts| facts.source.clone())
                .unwrap_or_else(unknown),
            server: facts().find_map(destination_name).unwrap_or_else(unknown),
        };
        let exchange = exchanges.first()?;
        let path = |role| {
            let mut paths = exchange.with_role(tree, role);
            paths.next().map(|path| tree.nodes[path].span)
        };
        let worked_ns = path(Role::Request)
            .zip(path(Role::Response))
            .map(|(request, response)| response.start_ns.saturating_sub(request.end_ns));
        let times = times(tree, tree.nodes[root].span, &exchanges, worked_ns);
        Some(Self {
            edge,
            client: root,
            exchanges,
            servers: Vec::new(),
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

fn server_name(tree: &Tree<'_>, servers: &[NodeId], exchanges: &[Exchange]) -> Text {
    let by_server = servers
        .first()
        .map(|&id| tree.nodes[id].span.resource.service.clone());
    let by_exchange = || {
        let mut facts = exchanges.iter().flat_map(|exchange| exchange.facts(tree));
        facts.find_map(destination_name)
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

fn times(
    tree: &Tree<'_>,
    client: &Span,
    exchanges: &[Exchange],
    server_span_ns: Option<u64>,
) -> Times {
    let paths = |role: Role| -> Vec<NodeId> {
        let paths = exchanges
            .iter()
            .flat_map(|exchange| exchange.with_role(tree, role));
        paths
            .filter(|&path| is_whole(tree.nodes[path].span))
            .collect()
    };
    let total = |paths: &[NodeId]| sum(paths.iter().map(|&path| data_plane_ns(tree, path)));
    let hops = |paths: &[NodeId], name: HopName| {
        sum(paths.iter().filter_map(|&path| hop_ns(tree, path, name)))
    };
    let [requests, responses] = [Role::Request, Role::Response].map(paths);
    Times {
        client_span_ns: client.duration_ns(),
        connect_ns: total(&paths(Role::Connect)),
        request_ns: total(&requests),
        socket_queue_ns: hops(&requests, HopName::SocketQueue),
        server_span_ns,
        response_ns: total(&responses),
        body_ns: hops(&responses, HopName::Body),
        hops: HopTimes::of(tree, requests.iter().chain(&responses)),
    }
}

/// One node's part of a path between nodes is not whole.
fn is_whole(span: &Span) -> bool {
    span.half().is_none()
}

fn sum(mut times: impl Iterator<Item = u64>) -> Option<u64> {
    let first = times.next()?;
    Some(times.fold(first, u64::saturating_add))
}
