//! How packets get from a node's pods to another node's. In: the numbers of two nodes. Out: lines for `ip` and `bridge` that
//! make the one's pods known to the other. Knows no pods, and nothing of how they are wired on their own node.

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
    /// They do: each node routes the others' pod networks to their addresses on the wire, as kindnet and flannel's host-gw
    /// back end have it.
    #[default]
    None,
    /// They cross it within UDP, as flannel's VXLAN back end has it: VNI 1, port 8472, nothing learnt from packets; per node a
    /// route, a neighbour and a forwarding entry on flannel.1, and for IPv6, whose outer packets are IPv6 as well, on
    /// flannel-v6.1.
    Vxlan,
}

impl Overlay {
    /// Both.
    pub const ALL: [Self; 2] = [Self::None, Self::Vxlan];

    /// The name, as the command line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Vxlan => "vxlan",
        }
    }

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

print_and_parse_by_name!(Overlay, "overlay");
