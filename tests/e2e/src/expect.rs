//! Checks of every trace of the application. In: traces, and the facts of the lab. Out: a failed
//! test where they differ.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use hopspan_lab::{
    Wiring,
    hotrod::HotRod,
    kube_proxy::{Service, endpoint_chain, service_chain},
};
use tracer_semconv::{attribute, scope};

use crate::{
    Exchange, Kernel, Span, Trace, Traces,
    back_ends::{self, Clocks},
};

/// The calls between pods of one dispatch: to frontend, to customer, to driver (gRPC), ten to
/// route.
const CALLS: usize = 13;

/// The facts of the lab that the agent must find out.
#[derive(Debug)]
pub struct Truth {
    /// Pod addresses by pod name.
    addresses: HashMap<String, String>,
    /// Services by `address:port`.
    services: HashMap<String, Service>,
    wiring: Wiring,
    kernel: Kernel,
}

impl Truth {
    /// The facts of a deployed application on a node with this wiring.
    pub fn of(hotrod: &HotRod, wiring: Wiring) -> Self {
        Self {
            wiring,
            addresses: hotrod
                .pods()
                .iter()
                .map(|pod| (pod.name().to_owned(), pod.ip().to_string()))
                .collect(),
            services: hotrod
                .services()
                .iter()
                .map(|service| (service.address().to_string(), service.clone()))
                .collect(),
            kernel: Kernel::running(),
        }
    }
}

/// Checks that each call of every dispatch has one complete exchange below it, and that there is no
/// other exchange.
pub fn assert_exchanges(traces: &Traces, dispatched: &[String], truth: &Truth) {
    let openers = openers(traces);
    for trace_id in dispatched {
        let trace = traces
            .0
            .get(trace_id)
            .unwrap_or_else(|| panic!("trace {trace_id} did not arrive"));
        let calls: Vec<&Span> = trace.calls().collect();
        assert_eq!(calls.len(), CALLS, "client spans in {trace_id}");
        for call in &calls {
            assert_exchange(trace, call, truth, openers.contains(&call.span_id));
        }
        let parents: HashSet<&str> = calls.iter().map(|call| call.span_id.as_str()).collect();
        for exchange in trace.exchanges() {
            assert!(
                parents.contains(exchange.parent_id.as_str()),
                "{exchange:?}"
            );
        }
        back_ends::assert_shown(trace, Clocks::Agree);
    }
    assert_connects(traces);
    let exchanges: usize = traces.0.values().map(|trace| trace.exchanges().len()).sum();
    assert_eq!(
        exchanges,
        dispatched.len() * CALLS,
        "exchanges in all traces"
    );
}

/// Whether a call shares its connection with others at the same time, as gRPC does.
fn is_multiplexed(call: &Span) -> bool {
    !call.attribute("rpc.system").is_empty()
}

/// Checks that no shared connection was opened twice, and that a connection for which only one call
/// waited was opened by that call.
fn assert_connects(traces: &Traces) {
    let mut connects: HashMap<&str, usize> = HashMap::new();
    for trace in traces.0.values() {
        for call in trace.calls().filter(|call| is_multiplexed(call)) {
            let seen = connects
                .entry(call.attribute("network.local.port"))
                .or_default();
            for exchange in trace.exchanges_below(call) {
                *seen += exchange.paths("connect").len();
            }
        }
    }
    let alone = traces.0.len() == 1;
    for (port, connects) in connects {
        assert!(
            connects == 1 || (connects == 0 && !alone),
            "{connects} connects of the connection from port {port}"
        );
    }
}

/// The ids of the client spans that opened their connection: the first on each local port.
fn openers(traces: &Traces) -> HashSet<String> {
    let mut first: HashMap<(&str, &str, &str), &Span> = HashMap::new();
    for call in traces.0.values().flat_map(Trace::calls) {
        let connection = (
            call.attribute("network.local.address"),
            call.attribute("network.local.port"),
            call.attribute("network.peer.address"),
        );
        let opener = first.entry(connection).or_insert(call);
        if call.start_ns < opener.start_ns {
            *opener = call;
        }
    }
    first.values().map(|call| call.span_id.clone()).collect()
}

fn assert_exchange(trace: &Trace, call: &Span, truth: &Truth, opened: bool) {
    let exchange = &trace.exchange_below(call);
    assert_eq!(exchange.scope, scope::NAME);
    exchange.assert_within(call);
    assert!(
        exchange.attribute(attribute::INCOMPLETE).is_empty(),
        "{exchange:?}"
    );
    for key in [
        "http.request.method",
        "http.response.status_code",
        "rpc.system",
        "rpc.service",
        "rpc.method",
        "rpc.grpc.status_code",
    ] {
        // The application reports no HTTP attributes for gRPC.
        if call.attribute(key).is_empty() {
            continue;
        }
        assert_eq!(
            exchange.attribute(key),
            call.attribute(key),
            "{key} of {exchange:?}"
        );
    }
    assert_addresses(exchange, call, truth);
    let one = |role: &str| {
        let leg = exchange.path(role);
        leg.assert_within(call);
        assert_partition(trace, leg);
        leg
    };
    assert_hops(trace, one("request"), truth);
    assert_hops(trace, one("response"), truth);
    if is_multiplexed(call) {
        // Where several calls waited for the connection, none has the connect: `assert_connects`
        // counts those.
        return;
    }
    if opened {
        one("connect");
    } else {
        assert!(
            exchange.paths("connect").is_empty(),
            "connect under {call:?}"
        );
    }
}

/// Checks that ClusterIP, pod and rules are the lab's.
fn assert_addresses(exchange: &Exchange<'_>, call: &Span, truth: &Truth) {
    let service_address = format!(
        "{}:{}",
        call.attribute("network.peer.address"),
        call.attribute("network.peer.port")
    );
    let service = &truth.services[&service_address];
    let pod = &truth.addresses[call.attribute("hotrod.answered_by")];
    let endpoint: SocketAddr = format!("{pod}:{}", service.port)
        .parse()
        .expect("an address");
    let source = call.attribute("network.local.address");
    let chains = format!(
        "KUBE-SERVICES > {} > {}",
        service_chain(service),
        endpoint_chain(service, endpoint)
    );
    exchange.assert_attributes(&[
        (attribute::NAT_ORIGINAL, service_address.as_str()),
        (attribute::NAT_TRANSLATED, &endpoint.to_string()),
        (attribute::KUBE_PROXY_RULE, &chains),
        (attribute::NAT_MASQUERADE, ""),
        ("source.address", source),
        ("source.port", call.attribute("network.local.port")),
        ("destination.address", pod),
    ]);
}

/// Checks the hops that every path between two pods of the lab has. Without netfilter links, the
/// path between two ports of the bridge, or between two veths, is one hop.
fn assert_hops(trace: &Trace, path: &Span, truth: &Truth) {
    let netfilter = usize::from(truth.kernel.has_netfilter_links());
    let (bridge, route) = match truth.wiring {
        Wiring::Bridge => (1 + netfilter, 2 * netfilter),
        Wiring::Routed => (0, 1 + 2 * netfilter),
    };
    let names = hop_names(trace, path);
    let count = |name: &str| names.iter().filter(|hop| **hop == name).count();
    for (name, expected) in [
        ("client.stack", 1),
        ("veth", 2),
        ("bridge", bridge),
        ("route", route),
        ("netfilter.prerouting", netfilter),
        ("netfilter.forward", netfilter),
        ("netfilter.postrouting", netfilter),
        ("server.stack", 1),
        ("socket.queue", 1),
    ] {
        assert_eq!(count(name), expected, "{name} hops in {names:?}");
    }
}

/// The names of a path's hops in order, without a detour: while the neighbour to which a packet was
/// translated is not known to be reachable, a bridge passes the packet to its own device before it
/// forwards it (kernel: br_nf_pre_routing_finish_bridge).
pub fn hop_names<'t>(trace: &'t Trace, path: &Span) -> Vec<&'t str> {
    let mut names: Vec<&str> = trace
        .children(path)
        .iter()
        .map(|hop| hop.attribute(attribute::HOP))
        .collect();
    let detour = [
        "netfilter.prerouting",
        "route",
        "bridge",
        "netfilter.forward",
    ];
    if let Some(at) = names.windows(detour.len()).position(|hops| hops == detour) {
        names.remove(at + 2);
    }
    names
}

/// Checks that every nanosecond of `path` is in exactly one of its hops.
pub fn assert_partition(trace: &Trace, path: &Span) {
    let hops = trace.children(path);
    assert!(!hops.is_empty(), "no hops under {path:?}");
    let mut at_ns = path.start_ns;
    for hop in hops {
        assert_eq!(hop.role(), "hop", "{hop:?}");
        assert_eq!(hop.start_ns, at_ns, "gap or overlap before {hop:?}");
        at_ns = hop.start_ns + hop.duration_ns();
    }
    assert_eq!(at_ns, path.end_ns, "the hops end before {path:?} does");
}

/// Checks that an exchange has one request, one response, and a connect if it opened the
/// connection, each complete and within its time.
pub fn assert_legs(trace: &Trace, exchange: &Exchange<'_>, connected: bool) {
    for (role, count) in [
        ("connect", usize::from(connected)),
        ("request", 1),
        ("response", 1),
    ] {
        let legs = exchange.paths(role);
        assert_eq!(legs.len(), count, "{role} spans under {exchange:#?}");
        for leg in legs {
            assert_eq!(leg.attribute(attribute::INCOMPLETE), "", "{leg:#?}");
            leg.assert_within(exchange);
            assert_partition(trace, leg);
        }
    }
}
