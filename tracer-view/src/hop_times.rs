//! The time of a call's paths by kinds of hops. In: a tree and paths. Out: nanoseconds for each kind.
//! Pure; knows no services.

use tracer_semconv::{HopName, Role};

use crate::exchange::data_plane_ns;
use crate::span::Span;
use crate::tree::{NodeId, Tree};

/// Hops of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HopKind {
    /// The kernel's stack between a socket and a device.
    Stacks,
    /// Devices between the namespaces of a node.
    VethAndBridge,
    /// The five hooks.
    Netfilter,
    /// Between two hooks.
    Routing,
    /// Encapsulation, and the way between nodes.
    OverlayAndWire,
    /// Until the receiver reads.
    SocketQueue,
    /// Hops that this version does not know, and time without a hop.
    Other,
}

impl HopKind {
    /// All, in the order of a packet's way.
    pub const ALL: [Self; 7] = [
        Self::Stacks,
        Self::VethAndBridge,
        Self::Netfilter,
        Self::Routing,
        Self::OverlayAndWire,
        Self::SocketQueue,
        Self::Other,
    ];

    /// `None` for a body, which is no time of the data plane.
    pub(crate) fn of(hop: &Span) -> Option<Self> {
        let name = hop.data_plane()?.hop.as_ref();
        let name = name.and_then(|name| name.as_str().parse::<HopName>().ok());
        Some(match name {
            Some(HopName::Body) => return None,
            Some(HopName::ClientStack | HopName::ServerStack) => Self::Stacks,
            Some(HopName::Veth | HopName::Bridge) => Self::VethAndBridge,
            Some(
                HopName::Prerouting
                | HopName::Input
                | HopName::Forward
                | HopName::Output
                | HopName::Postrouting,
            ) => Self::Netfilter,
            Some(HopName::Route) => Self::Routing,
            Some(HopName::Overlay | HopName::Wire) => Self::OverlayAndWire,
            Some(HopName::SocketQueue) => Self::SocketQueue,
            None => Self::Other,
        })
    }
}

/// The time of paths by the kind of their hops. The kinds add up to the paths' time in the data
/// plane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HopTimes([u64; HopKind::ALL.len()]);

impl HopTimes {
    /// Of these paths together.
    pub(crate) fn of<'p>(tree: &Tree<'_>, paths: impl Iterator<Item = &'p NodeId>) -> Self {
        let mut times = Self::default();
        for &path in paths {
            let mut rest_ns = data_plane_ns(tree, path);
            for hop in tree.children_with(path, Role::Hop) {
                let hop = tree.nodes[hop].span;
                if let Some(kind) = HopKind::of(hop) {
                    times.add(kind, hop.duration_ns());
                    rest_ns = rest_ns.saturating_sub(hop.duration_ns());
                }
            }
            times.add(HopKind::Other, rest_ns);
        }
        times
    }

    /// Nanoseconds in hops of this kind.
    pub fn get(&self, kind: HopKind) -> u64 {
        self.0[kind as usize]
    }

    fn add(&mut self, kind: HopKind, ns: u64) {
        let sum = &mut self.0[kind as usize];
        *sum = sum.saturating_add(ns);
    }
}
