//! Where and why a packet was lost.
//!
//! In: the journey of a dropped packet. Out: the hop in which it was dropped, and the kernel's reason.

use tracer_common::{hook::Hook, journey::End};

use crate::decode::{DropLayer, DropReasons, Journey};

use super::{Devices, HopName, build_path};

/// What is known of a packet that the kernel has dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketDrop {
    /// The kernel's name of the reason.
    pub reason: Option<String>,
    /// Where.
    pub hop: Option<HopName>,
    /// Conntrack has refused it, and no rule.
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

/// Whether the packet had left every rule of a hook when it was dropped: after the programs, which come
/// last, only conntrack stands in these two, and enters the connection into its table (kernel:
/// nf_confirm at NF_IP_PRI_CONNTRACK_CONFIRM). It refuses one whose addresses are another's.
fn was_confirming(journey: &Journey) -> bool {
    let before = journey.stamps.iter().rev().nth(1);
    before.is_some_and(|stamp| matches!(stamp.hook, Hook::PostroutingLeave | Hook::InputLeave))
}
