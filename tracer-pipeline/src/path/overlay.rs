//! Which parts of a path are inside a tunnel.
//!
//! In: stamps. Out: for each pair of consecutive stamps the device of the tunnel around the packet,
//! if there is one. After a tunnel's transmit the packet has an outer header with the addresses of
//! nodes, and netfilter hooks and routing handle the outer packet. All of that is the hop
//! `overlay`, until the packet leaves the node or is decapsulated. Likewise from the uplink to
//! decapsulation.

use tracer_common::hook::Hook;

use crate::decode::{Device, Stamp};

use super::{Devices, hop_name::is_overlay};

/// The tunnel's device for each pair of consecutive stamps.
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
