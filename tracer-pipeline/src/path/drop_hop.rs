//! Names the hop in which the kernel dropped a packet.
//!
//! In: the stamps before the drop, the devices, the layer that the kernel's reason implies. Out: the
//! hop; `None` where nothing shows more than the last stamp.

use tracer_common::hook::Hook;

use crate::decode::{DropLayer, Stamp};

use super::{
    Devices,
    hop_name::{HopName, is_overlay},
};

/// The hop before a drop, which comes after `stamps`.
pub(super) fn of(stamps: &[Stamp], devices: &Devices, layer: Option<DropLayer>) -> Option<HopName> {
    let last = stamps.last()?;
    match (last.hook, layer) {
        // hopspan's programs run last in a hook; what netfilter drops after them is conntrack's
        // drop.
        (Hook::PreroutingLeave, Some(DropLayer::Netfilter)) => Some(HopName::Prerouting),
        (Hook::InputLeave, Some(DropLayer::Netfilter)) => Some(HopName::Input),
        (Hook::ForwardLeave, Some(DropLayer::Netfilter)) => Some(HopName::Forward),
        (Hook::OutputLeave, Some(DropLayer::Netfilter)) => Some(HopName::Output),
        (Hook::PostroutingLeave, Some(DropLayer::Netfilter)) => Some(HopName::Postrouting),
        (
            Hook::DeviceReceive | Hook::UplinkReceive | Hook::PreroutingLeave,
            Some(DropLayer::Transport),
        )
        | (Hook::InputLeave, _) => Some(HopName::ServerStack),
        (Hook::DeviceReceive | Hook::UplinkReceive, Some(DropLayer::Routing)) => {
            Some(HopName::Route)
        }
        (Hook::DeviceReceive, None) if is_routed_from_bridge(stamps, devices) => {
            Some(HopName::Route)
        }
        (Hook::DeviceReceive, None | Some(DropLayer::Netfilter))
            if has_reached_receiver(stamps, devices) =>
        {
            Some(HopName::ServerStack)
        }
        _ => None,
    }
}

/// Whether a bridge has passed the packet to the node's own stack, which routes it next.
/// bridge-nf-call-iptables has then run PREROUTING at the port, and it is not run again (kernel:
/// ip_sabotage_in).
fn is_routed_from_bridge(stamps: &[Stamp], devices: &Devices) -> bool {
    let device = stamps.last().and_then(|last| devices.get(last.device));
    device.is_some_and(|device| device.is_bridge)
        && stamps
            .iter()
            .any(|stamp| stamp.hook == Hook::PreroutingLeave)
}

/// Whether the packet has passed the last device before its receiver: the node has passed it on to
/// a device in another network namespace, a pod's.
fn has_reached_receiver(stamps: &[Stamp], devices: &Devices) -> bool {
    let [before @ .., transmit, receive] = stamps else {
        return false;
    };
    let (Some(from), Some(to)) = (transmit.device, devices.get(receive.device)) else {
        return false;
    };
    let has_left_node = transmit.hook == Hook::DeviceTransmit && to.id.netns != from.netns;
    let is_end = !to.is_bridge && !to.is_bridge_port && !is_overlay(to);
    // Only the node's own packets pass OUTPUT; all others it has received.
    let passed_node = before.iter().any(|stamp| match stamp.hook {
        Hook::OutputEnter => true,
        Hook::DeviceReceive | Hook::UplinkReceive => stamp
            .device
            .is_some_and(|device| device.netns == from.netns),
        _ => false,
    });
    has_left_node && is_end && passed_node
}
