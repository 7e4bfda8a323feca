//! How pods are wired to their node.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::option_name::print_and_parse_by_name;

/// The two wirings that are common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wiring {
    /// All pods on one bridge, cni0, as flannel and kubenet have it, with bridge-nf-call-iptables on.
    #[default]
    Bridge,
    /// Each pod by a route of its own over its veth, as kindnet, Calico and the plugins of clouds have it: the pod has a /32
    /// and a /128 address and reaches everything through a link-local gateway, for which the node's end answers.
    Routed,
}

impl Wiring {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Bridge, Self::Routed];

    /// The name, as the command line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Routed => "routed",
        }
    }
}

print_and_parse_by_name!(Wiring, "wiring");

/// The name of a node's bridge with most CNI plugins.
pub(crate) const BRIDGE: &str = "cni0";

/// What routed pods have as their gateway. No device has this address: the node's end of the veth answers by proxy ARP.
/// Calico's choice.
pub(crate) const ROUTED_GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// The hardware address of the node's end of every routed pod's veth, and the IPv6 link-local address that follows from it,
/// the pod's other gateway. Calico's choice too.
pub(crate) const ROUTED_MAC: &str = "ee:ee:ee:ee:ee:ee";
pub(crate) const ROUTED_GATEWAY_V6: Ipv6Addr =
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0xecee, 0xeeff, 0xfeee, 0xeeee);
