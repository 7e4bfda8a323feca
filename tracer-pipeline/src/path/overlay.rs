//! Where a packet travels inside another.
//!
//! In: stamps. Out: for each stretch between two of them the tunnel's device, if it is inside one.
//! From a tunnel's transmit on the packet has the addresses of nodes, and what it meets (netfilter's
//! hooks, routing) is met by the packet around it: all of that is the overlay, until the packet leaves
//! the node or comes out of a tunnel again. Likewise from the uplink until it comes out of a tunnel.

use tracer_common::hook::Hook;

use crate::decode::{Device, Stamp};

use super::{Devices, hop_name::is_overlay};

/// One entry for each pair of consecutive stamps.
pub(super) fn tunnels<'d>(stamps: &[Stamp], devices: &'d Devices) -> Vec<Option<&'d Device>> {
    let tunnel = |stamp: &Stamp| {
        devices
            .get(stamp.device)
            .filter(|device| is_overlay(device))
    };
    let comes_out = |stamp: &Stamp| match stamp.hook {
        Hook::DeviceReceive => tunnel(stamp),
        _ => None,
    };
    let mut inside = match stamps.first() {
        Some(first) if first.hook == Hook::UplinkReceive => {
            let before_transmit = stamps
                .iter()
                .take_while(|stamp| stamp.hook != Hook::DeviceTransmit);
            before_transmit.filter_map(comes_out).next()
        }
        _ => None,
    };
    let mut tunnels = Vec::with_capacity(stamps.len());
    for pair in stamps.windows(2) {
        let [from, to] = pair else { continue };
        if from.hook == Hook::DeviceTransmit && inside.is_none() {
            inside = tunnel(from);
        }
        tunnels.push(inside);
        if comes_out(to).is_some() {
            inside = None;
        }
    }
    tunnels
}
