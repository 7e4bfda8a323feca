//! This kernel's names of packet drop reasons.
//!
//! In: the enumerators of `enum skb_drop_reason`, whose numbers differ between kernels, as the
//! agent read them from BTF. Out: the name of a number. Knows no packet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The upper half of a reason is its subsystem, 0 for the core (kernel:
/// SKB_DROP_REASON_SUBSYS_SHIFT, 6.4 and later).
const SUBSYSTEM_SHIFT: u32 = 16;

/// The names of drop reasons, without `SKB_DROP_REASON_`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DropReasons {
    /// `enum skb_drop_reason`.
    pub reasons: BTreeMap<u32, String>,
    /// `enum skb_drop_reason_subsys`: subsystems with reasons of their own.
    pub subsystems: BTreeMap<u32, String>,
}

/// The kernel layer that drops packets for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropLayer {
    /// A netfilter hook.
    Netfilter,
    /// The transport layer of the receiver.
    Transport,
    /// Routing: no route, no neighbour, or too large for the next link.
    Routing,
    /// A program at a device, before the stack.
    Device,
}

impl DropReasons {
    /// The layer that drops packets for this reason; `None` where the name does not imply one.
    pub fn layer(&self, reason: u32) -> Option<DropLayer> {
        match self.reasons.get(&reason)?.as_str() {
            "NETFILTER_DROP" => Some(DropLayer::Netfilter),
            "NO_SOCKET" => Some(DropLayer::Transport),
            // kernel: ip_route_input_slow, ip_error, ip_forward, ip6_pkt_drop, ip6_forward.
            "IP_INNOROUTES" | "IP_OUTNOROUTES" | "IP_INADDRERRORS" | "IP_RPFILTER"
            | "IP_LOCAL_SOURCE" | "IP_INVALID_SOURCE" | "IP_LOCALNET" | "IP_INVALID_DEST"
            | "PKT_TOO_BIG" => Some(DropLayer::Routing),
            "TC_INGRESS" | "XDP" => Some(DropLayer::Device),
            name if name.starts_with("TCP_") || name.starts_with("SOCKET_") => {
                Some(DropLayer::Transport)
            }
            name if name.starts_with("NEIGH_") => Some(DropLayer::Routing),
            _ => None,
        }
    }

    /// The kernel's name of a reason, such as `NETFILTER_DROP`; `OPENVSWITCH:3` for a subsystem's
    /// reason;
    /// the number where the name is unknown.
    pub fn name(&self, reason: u32) -> String {
        if let Some(name) = self.reasons.get(&reason) {
            return name.clone();
        }
        let own = reason & ((1 << SUBSYSTEM_SHIFT) - 1);
        match self.subsystems.get(&(reason >> SUBSYSTEM_SHIFT)) {
            Some(subsystem) if reason != own => format!("{subsystem}:{own}"),
            _ => reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_reasons_keep_their_number() {
        let reasons = DropReasons {
            reasons: BTreeMap::from([(12, "NETFILTER_DROP".into())]),
            subsystems: BTreeMap::from([(0, "CORE".into()), (2, "OPENVSWITCH".into())]),
        };
        for (reason, name) in [
            (12, "NETFILTER_DROP"),
            (13, "13"),
            ((2 << 16) | 3, "OPENVSWITCH:3"),
            ((9 << 16) | 3, "589827"),
        ] {
            assert_eq!(reasons.name(reason), name);
        }
        assert_eq!(reasons.layer(12), Some(DropLayer::Netfilter));
        assert_eq!(reasons.layer((2 << 16) | 3), None);
        assert_eq!(reasons.layer(13), None);
        assert_eq!(DropReasons::default().name(12), "12");
    }
}
