//! Where and why the kernel dropped a packet.
//!
//! In: the journey of a dropped packet. Out: the hop of the drop, and the kernel's reason.

use tracer_common::{hook::Hook, journey::End};

use crate::decode::{DropLayer, DropReasons, Journey};

use super::{Devices, HopName, build_path};

/// The drop of a packet by the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketDrop {
    /// The kernel's name of the reason.
    pub reason: Option<String>,
    /// The hop of the drop.
    pub hop: Option<HopName>,
    /// Conntrack dropped the packet, not a rule.
    pub by_conntrack: bool,
}

impl PacketDrop {
    /// `None` where the packet was not dropped.
    pub fn of(journey: &Journey, devices: &Devices, reasons: &DropReasons) -> Option<Self> {
        if journey.end != End::Dropped {
            return None;
        }
        let hops = build_path(journey, None, devices, reasons).hops;
        let layer = journey.drop_reason.and_then(|reason| reasons.layer(reason));
        Some(Self {
            reason: journey.drop_reason.map(|reason| reasons.name(reason)),
            hop: hops.last().map(|hop| hop.name),
            by_conntrack: layer == Some(DropLayer::Netfilter) && was_confirming(journey),
        })
    }
}

/// Whether the packet had passed all rules of a hook when it was dropped. hopspan's programs run
/// after the rules; in these two hooks only conntrack runs after the programs, and confirms the
/// connection (kernel: nf_confirm at NF_IP_PRI_CONNTRACK_CONFIRM). It drops a packet whose tuple
/// clashes with another connection's.
fn was_confirming(journey: &Journey) -> bool {
    let before = journey.stamps.iter().rev().nth(1);
    before.is_some_and(|stamp| matches!(stamp.hook, Hook::PostroutingLeave | Hook::InputLeave))
}
