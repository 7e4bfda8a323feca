//! How packets get from a node's pods to another node's. In: the numbers of two nodes. Out: lines
//! for `ip` and `bridge` that route the other node's pods. Knows no pods, nor how they are
//! connected to their own node.

mod direct;
mod lines;
mod vxlan;

use crate::kube_proxy::Family;
use crate::option_name::print_and_parse_by_name;
use crate::wire;

pub(crate) use lines::Lines;

/// Whether packets between pods of different nodes are encapsulated on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlay {
    /// They are not: each node routes the others' pod networks to their addresses on the wire, as
    /// kindnet and flannel's host-gw back end do.
    #[default]
    None,
    /// In UDP, as by flannel's VXLAN back end: VNI 1, port 8472, no learning from packets; for each
    /// other node a route, a neighbour and a forwarding entry on flannel.1. For IPv6, whose outer
    /// packets are IPv6 too, the same on flannel-v6.1.
    Vxlan,
}

impl Overlay {
    /// Bytes of the longest packet of the family that reaches a pod on any node.
    pub const fn mtu(self, family: Family) -> u32 {
        match self {
            Self::None => wire::MTU,
            Self::Vxlan => vxlan::mtu(family),
        }
    }

    /// What a node needs before there is another.
    pub(crate) fn setup(self, node: u8) -> Lines {
        match self {
            Self::None => Lines::default(),
            Self::Vxlan => vxlan::setup(node),
        }
    }

    /// What a node needs to reach the pods of another.
    pub(crate) fn routes_to(self, other: u8) -> Lines {
        match self {
            Self::None => direct::routes_to(other),
            Self::Vxlan => vxlan::routes_to(other),
        }
    }
}

print_and_parse_by_name!(
    Overlay,
    "overlay",
    None: "none",
    Vxlan: "vxlan",
);
