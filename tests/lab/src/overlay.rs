//! How packets get from a node's pods to another node's. In: the numbers of two nodes. Out: lines for `ip` and `bridge` that
//! make the one's pods known to the other. Knows no pods, and nothing of how they are wired on their own node.

mod direct;
mod vxlan;

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result};

use crate::kube_proxy::Family;

/// Whether packets between pods of different nodes cross the wire as they are.
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

/// Commands in a node's network namespace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// For `ip -batch`.
    pub(crate) ip: String,
    /// For `bridge -batch`.
    pub(crate) bridge: String,
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
        const WIRE: u32 = 1500;
        match (self, family) {
            (Self::None, _) => WIRE,
            // Ethernet 14, VXLAN 8 and UDP 8 bytes (RFC 7348, section 5), and the outer IPv4 or IPv6 header.
            (Self::Vxlan, Family::V4) => WIRE - 30 - 20,
            (Self::Vxlan, Family::V6) => WIRE - 30 - 40,
        }
    }

    /// What a node has before it knows another.
    pub(crate) fn own(self, node: u8) -> Lines {
        match self {
            Self::None => Lines::default(),
            Self::Vxlan => vxlan::own(node),
        }
    }

    /// What it has for each other node.
    pub(crate) fn of(self, other: u8) -> Lines {
        match self {
            Self::None => direct::of(other),
            Self::Vxlan => vxlan::of(other),
        }
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Overlay {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.with_context(|| {
            format!(
                "no overlay {text:?}: use one of {}",
                Self::ALL.map(Self::name).join(", ")
            )
        })
    }
}
