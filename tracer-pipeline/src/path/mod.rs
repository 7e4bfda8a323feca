//! Builds a timeline of hops from stamps.
//!
//! In: a journey, the time of the read, the devices. Out: a [`Path`], whose hops follow each other
//! without gap or overlap from its first nanosecond to its last. A path to or from another node ends
//! or starts at the uplink. Knows Linux networking; knows no HTTP and no spans.

mod devices;
mod drop_hop;
mod hop_name;
mod overlay;
mod packet_drop;

use std::sync::Arc;

use tracer_common::{hook::Hook, journey::End};

use crate::decode::{Device, DropReasons, Journey, Stamp};

pub use devices::Devices;
pub use hop_name::HopName;
pub use packet_drop::PacketDrop;

/// A named interval of a message's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Name of the hop.
    pub name: HopName,
    /// Its first nanosecond, `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// The first nanosecond after it, `CLOCK_MONOTONIC`.
    pub end_ns: u64,
    /// Name of the hop's device, in the device's namespace.
    pub interface: Option<Arc<str>>,
}

impl Hop {
    /// Nanoseconds that it took.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// The hops of one message on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// In order; each starts where the one before it ends.
    pub hops: Vec<Hop>,
    /// When the packet left the sending socket, or arrived from another node; nanoseconds of
    /// `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// When the application had read the message, or the packet was last seen; nanoseconds of
    /// `CLOCK_MONOTONIC`.
    pub end_ns: u64,
    /// The packet came from another node.
    pub has_arrived: bool,
    /// The packet went on to another node.
    pub has_left: bool,
    /// Name of the device by which it left for another node, or came from there.
    pub uplink: Option<Arc<str>>,
}

impl Path {
    /// The path of a packet that was not seen, which would have left its socket at this time.
    pub fn unseen(at_ns: u64) -> Self {
        Self {
            hops: Vec::new(),
            start_ns: at_ns,
            end_ns: at_ns,
            has_arrived: false,
            has_left: false,
            uplink: None,
        }
    }

    /// Moves the start back to the first transmission of a retransmitted message. Until its
    /// retransmission the message was in the sender's stack, so the first hop becomes longer.
    pub fn start_at(&mut self, first_ns: u64) {
        if first_ns >= self.start_ns || self.has_arrived {
            // That time was in the sender's stack on another node and is not part of this node's
            // path.
            return;
        }
        match self.hops.first_mut() {
            Some(first) if first.name == HopName::ClientStack => first.start_ns = first_ns,
            _ => self
                .hops
                .insert(0, stack(HopName::ClientStack, first_ns, self.start_ns)),
        }
        self.start_ns = first_ns;
    }

    /// This path followed by `next`, the path of the answer. The time between them was spent in the
    /// stack that answered; where that is on another node, on the wire there and back as well.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        let is_elsewhere = self.has_left || next.has_arrived;
        let mut between = stack(
            if is_elsewhere {
                HopName::Wire
            } else {
                HopName::ServerStack
            },
            self.end_ns,
            next.start_ns.max(self.end_ns),
        );
        if is_elsewhere {
            between.interface = self.uplink.clone().or_else(|| next.uplink.clone());
        }
        push(&mut self.hops, between);
        for hop in next.hops {
            push(&mut self.hops, hop);
        }
        self.end_ns = next.end_ns.max(self.end_ns);
        self.has_left = next.has_left;
        self.uplink = self.uplink.or(next.uplink);
        self
    }

    /// The rest of a message whose first packet this is the path of, until the reader has its last
    /// byte.
    pub fn extend_to(&mut self, last_ns: u64) {
        if last_ns > self.end_ns {
            self.hops.push(stack(HopName::Body, self.end_ns, last_ns));
            self.end_ns = last_ns;
        }
    }
}

fn stack(name: HopName, start_ns: u64, end_ns: u64) -> Hop {
    Hop {
        name,
        start_ns,
        end_ns,
        interface: None,
    }
}

/// Partitions the time from the first stamp to the read (or, without one, to the last stamp) into
/// hops.
pub fn build_path(
    journey: &Journey,
    read_ns: Option<u64>,
    devices: &Devices,
    reasons: &DropReasons,
) -> Path {
    let mut hops: Vec<Hop> = Vec::with_capacity(journey.stamps.len());
    let layer = journey.drop_reason.and_then(|reason| reasons.layer(reason));
    let tunnels = overlay::tunnels(&journey.stamps, devices);
    let dropped_in = match journey.stamps.split_last() {
        Some((last, before)) if last.hook == Hook::PacketDrop => {
            drop_hop::of(before, devices, layer)
        }
        _ => None,
    };
    for (pair, tunnel) in journey.stamps.windows(2).zip(tunnels) {
        let [from, to] = pair else { continue };
        let hop = match (tunnel, dropped_in) {
            (Some(device), _) => inside(device, from, to),
            (None, Some(name)) if to.hook == Hook::PacketDrop => stack(name, from.at_ns, to.at_ns),
            (None, _) => hop(from, to, devices),
        };
        match hops.last_mut() {
            // The time in the stack behind a veth belongs to that veth, whichever of its two ends
            // named the hop.
            Some(last) if from.hook == Hook::DeviceReceive && is_veth(last) && is_veth(&hop) => {
                last.end_ns = hop.end_ns;
            }
            _ => push(&mut hops, hop),
        }
    }
    let start_ns = journey
        .stamps
        .first()
        .map_or(journey.start_ns, |stamp| stamp.at_ns);
    let last_ns = journey.stamps.last().map_or(start_ns, |stamp| stamp.at_ns);
    let end_ns = match read_ns {
        Some(read_ns) if journey.end == End::Socket => {
            let end_ns = read_ns.max(last_ns);
            push(&mut hops, stack(HopName::SocketQueue, last_ns, end_ns));
            end_ns
        }
        _ => last_ns,
    };
    let at_uplink = match (journey.has_left(), journey.has_arrived()) {
        (true, _) => journey.stamps.last(),
        (false, true) => journey.stamps.first(),
        (false, false) => None,
    };
    let uplink = at_uplink.and_then(|stamp| devices.get(stamp.device));
    Path {
        hops,
        start_ns,
        end_ns,
        has_arrived: journey.has_arrived(),
        has_left: journey.has_left(),
        uplink: uplink.map(|device| device.name.clone()),
    }
}

/// A hop inside a tunnel.
fn inside(device: &Device, from: &Stamp, to: &Stamp) -> Hop {
    Hop {
        name: HopName::Overlay,
        start_ns: from.at_ns,
        end_ns: to.at_ns,
        interface: Some(device.name.clone()),
    }
}

/// Adds a hop. Merges it into the last hop where both have the same name and no different devices.
fn push(hops: &mut Vec<Hop>, hop: Hop) {
    match hops.last_mut() {
        Some(last) if last.name == hop.name && on_one_device(last, &hop) => {
            last.end_ns = hop.end_ns;
            last.interface = last.interface.take().or(hop.interface);
        }
        _ => hops.push(hop),
    }
}

fn is_veth(hop: &Hop) -> bool {
    hop.name == HopName::Veth
}

fn on_one_device(one: &Hop, other: &Hop) -> bool {
    one.interface.is_none() || other.interface.is_none() || one.interface == other.interface
}

fn hop(from: &Stamp, to: &Stamp, devices: &Devices) -> Hop {
    let from_device = devices.get(from.device);
    let to_device = devices.get(to.device);
    let name = hop_name::between((from.hook, from_device), (to.hook, to_device));
    let interface = match name {
        HopName::Veth | HopName::Bridge | HopName::Overlay | HopName::Wire => {
            most_specific_device(from, from_device, to_device)
        }
        HopName::ClientStack => to_device,
        HopName::ServerStack => from_device,
        _ => None,
    };
    Hop {
        name,
        start_ns: from.at_ns,
        end_ns: to.at_ns,
        interface: interface.map(|device| device.name.clone()),
    }
}

/// Of the two devices of a hop, the more specific one: the node's end of a veth identifies the pod,
/// `eth0` does not; a bridge is preferred to its port.
fn most_specific_device<'d>(
    from: &Stamp,
    from_device: Option<&'d Device>,
    to_device: Option<&'d Device>,
) -> Option<&'d Device> {
    let prefer_to = match (from_device, to_device) {
        (Some(from), _) if from.is_bridge => false,
        (Some(_), Some(to)) if to.is_bridge => true,
        (Some(from), Some(to)) => {
            let to_is_port = to.is_bridge_port && !from.is_bridge_port;
            let from_is_pod = &*from.name == "eth0" && !from.is_bridge_port;
            to_is_port || (from_is_pod && to.link_kind == "veth")
        }
        _ => false,
    };
    if prefer_to || (from.hook != Hook::DeviceTransmit && from_device.is_none()) {
        to_device
    } else {
        from_device
    }
}

#[cfg(test)]
mod tests;
