//! The hops that each half must have. In: wiring and overlay of the nodes. Out: a failed test where
//! a half has others.

use hopspan_e2e::Kernel;
use hopspan_lab::{NodeOptions, Overlay, Wiring};

/// What determines the halves of an exchange.
pub(crate) struct Expected {
    pub(crate) options: NodeOptions,
    /// Whether `node-1` and `node-2` have an agent.
    pub(crate) agents: [bool; 2],
    pub(crate) kernel: Kernel,
}

impl Expected {
    /// Whether a node has an agent.
    pub(crate) fn sees(&self, node: &str) -> bool {
        match node {
            "node-1" => self.agents[0],
            "node-2" => self.agents[1],
            other => panic!("{other}"),
        }
    }

    /// Compares the hops of a leg with those that its half must have.
    pub(crate) fn assert_hops(&self, names: &[&str], role: &str, half: &str) {
        if !self.kernel.has_netfilter_links() {
            // Without netfilter links fewer places divide the path: only its ends are checked.
            let ends = match leaves(role, half) {
                true => names.first() == Some(&"client.stack"),
                false => names.last() == Some(&"socket.queue"),
            };
            assert!(ends, "{role} of the {half}: {names:?}");
            return;
        }
        let expected = match leaves(role, half) {
            true => self.of_leaving(),
            false => self.of_arriving(),
        };
        assert_eq!(names, expected, "{role} of the {half}");
    }

    /// The hops from a pod's socket to the uplink.
    fn of_leaving(&self) -> Vec<&'static str> {
        let to_netfilter: &[_] = match self.options.wiring {
            Wiring::Bridge => &["client.stack veth bridge netfilter.prerouting bridge"],
            Wiring::Routed => &["client.stack veth netfilter.prerouting route"],
        };
        let forwarded = "netfilter.forward route netfilter.postrouting route";
        let overlay: &[_] = match self.options.overlay {
            Overlay::None => &[],
            Overlay::Vxlan => &["overlay"],
        };
        names(to_netfilter.iter().chain(&[forwarded]).chain(overlay))
    }

    /// The hops from the uplink until a pod has read.
    fn of_arriving(&self) -> Vec<&'static str> {
        let first = match self.options.overlay {
            Overlay::None => "route",
            Overlay::Vxlan => "overlay",
        };
        let forwarded =
            "netfilter.prerouting route netfilter.forward route netfilter.postrouting route";
        let to_pod = match self.options.wiring {
            Wiring::Bridge => "bridge veth",
            Wiring::Routed => "veth",
        };
        names(&[first, forwarded, to_pod, "server.stack socket.queue"])
    }
}

/// Whether the leg leaves the node of this half: requests leave the client's node, responses the
/// server's.
fn leaves(role: &str, half: &str) -> bool {
    (role == "request") == (half == "client")
}

fn names<'a>(lines: impl IntoIterator<Item = &'a &'static str>) -> Vec<&'static str> {
    let lines = lines.into_iter();
    lines.flat_map(|line| line.split(' ')).collect()
}
