//! The hops of a request from its client to its server. In: a case and the wiring. Out: the names
//! of the hops.

use hopspan_lab::{Wiring, kube_proxy::Origin};

use super::case::Case;

/// The names of the hops, in order.
pub(crate) fn hops_of(case: &Case, wiring: Wiring) -> Vec<&'static str> {
    let is_for_host = case
        .service
        .as_ref()
        .is_some_and(|(service, _)| service.name == "host");
    let way: &[&str] = match (case.client.origin(), is_for_host, wiring) {
        (Origin::Pod, false, Wiring::Bridge) => &[
            "client.stack veth bridge",
            "netfilter.prerouting route netfilter.forward route netfilter.postrouting",
            "bridge veth",
        ],
        (Origin::Pod, false, Wiring::Routed) => &[
            "client.stack veth",
            "netfilter.prerouting route netfilter.forward route netfilter.postrouting",
            "route veth",
        ],
        // From the bridge up into the node's stack.
        (Origin::Pod, true, Wiring::Bridge) => &[
            "client.stack veth bridge",
            "netfilter.prerouting bridge netfilter.input",
        ],
        (Origin::Pod, true, Wiring::Routed) => &[
            "client.stack veth",
            "netfilter.prerouting route netfilter.input",
        ],
        (Origin::Node, false, Wiring::Bridge) => &[
            "netfilter.output route netfilter.postrouting",
            "client.stack bridge veth",
        ],
        (Origin::Node, false, Wiring::Routed) => &[
            "netfilter.output route netfilter.postrouting",
            "client.stack veth",
        ],
        // Over the loopback device.
        (Origin::Node, true, _) => &[
            "netfilter.output route netfilter.postrouting",
            "client.stack route",
            "netfilter.prerouting route netfilter.input",
        ],
        // From the uplink on.
        (Origin::Outside, false, Wiring::Bridge) => &[
            "route",
            "netfilter.prerouting route netfilter.forward route netfilter.postrouting",
            "route bridge veth",
        ],
        (Origin::Outside, false, Wiring::Routed) => &[
            "route",
            "netfilter.prerouting route netfilter.forward route netfilter.postrouting",
            "route veth",
        ],
        (Origin::Outside, true, _) => &["route", "netfilter.prerouting route netfilter.input"],
    };
    let groups = way.iter().chain(&["server.stack socket.queue"]);
    groups.flat_map(|hops| hops.split(' ')).collect()
}
