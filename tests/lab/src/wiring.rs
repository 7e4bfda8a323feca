//! How pods are connected to their node.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::option_name::print_and_parse_by_name;

/// How pods are connected to their node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wiring {
    /// All pods are ports of one bridge, cni0, as with flannel and kubenet, with
    /// bridge-nf-call-iptables on.
    #[default]
    Bridge,
    /// Each pod has a route of its own to its veth, as with kindnet, Calico and the plugins of
    /// cloud providers. The pod has a /32 and a /128 address, and reaches everything through a
    /// link-local gateway, for which the node's end answers.
    Routed,
}

print_and_parse_by_name!(
    Wiring,
    "wiring",
    Bridge: "bridge",
    Routed: "routed",
);

/// The name of a node's bridge with most CNI plugins.
pub(crate) const BRIDGE: &str = "cni0";

/// The gateway of routed pods, the same as Calico's. No device has this address: the node's end of
/// the veth answers by proxy ARP.
pub(crate) const ROUTED_GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// The hardware address of the node's end of every routed pod's veth, the same as Calico's. The
/// IPv6 link-local address that follows from it is the pod's IPv6 gateway.
pub(crate) const ROUTED_MAC: &str = "ee:ee:ee:ee:ee:ee";
pub(crate) const ROUTED_GATEWAY_V6: Ipv6Addr =
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0xecee, 0xeeff, 0xfeee, 0xeeee);
