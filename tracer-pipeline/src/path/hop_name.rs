//! Names the hop between two stamps.

use tracer_common::hook::Hook;
pub use tracer_semconv::HopName;

use crate::decode::Device;

type Point<'d> = (Hook, Option<&'d Device>);

/// The hop between two consecutive stamps.
pub(super) fn between(from: Point<'_>, to: Point<'_>) -> HopName {
    match from.0 {
        Hook::CgroupEgress => HopName::ClientStack,
        Hook::PreroutingEnter => HopName::Prerouting,
        Hook::InputEnter => HopName::Input,
        Hook::ForwardEnter => HopName::Forward,
        Hook::OutputEnter => HopName::Output,
        Hook::PostroutingEnter => HopName::Postrouting,
        Hook::DeviceTransmit => after_transmit(from.1, to),
        Hook::DeviceReceive => after_receive(from.1, to),
        Hook::UplinkReceive => after_arrival(from.1, to),
        Hook::CgroupIngress | Hook::SocketRead => HopName::SocketQueue,
        _ => after_netfilter(to),
    }
}

/// The hop after a device's transmit. A veth passes the packet to its peer, a bridge to a port, a
/// tunnel encapsulates it, and the loopback device returns it to the stack.
fn after_transmit(device: Option<&Device>, to: Point<'_>) -> HopName {
    match device {
        Some(device) if to.1.is_some_and(|to| to.id == device.id) => HopName::Route,
        Some(device) if device.is_bridge => HopName::Bridge,
        Some(device) if is_overlay(device) => HopName::Overlay,
        Some(device) if device.link_kind.is_empty() => HopName::Wire,
        _ if to.0 == Hook::DeviceTransmit => HopName::Route,
        _ => HopName::Veth,
    }
}

/// The hop after a device's receive: until the first netfilter hook the time belongs to the device.
fn after_receive(device: Option<&Device>, to: Point<'_>) -> HopName {
    let bridged = device.is_some_and(|device| device.is_bridge || device.is_bridge_port)
        || to.1.is_some_and(|device| device.is_bridge);
    match to.0 {
        Hook::CgroupIngress => HopName::ServerStack,
        _ if bridged => HopName::Bridge,
        _ if device.is_some_and(is_overlay) => HopName::Overlay,
        Hook::DeviceTransmit => HopName::Route,
        // The loopback device, or hardware.
        _ if device.is_some_and(|device| device.link_kind.is_empty()) => HopName::Route,
        _ => HopName::Veth,
    }
}

/// The hop after an uplink's receive, whatever kind of device the uplink is.
fn after_arrival(device: Option<&Device>, to: Point<'_>) -> HopName {
    match to.0 {
        Hook::CgroupIngress => HopName::ServerStack,
        _ if device.is_some_and(|device| device.is_bridge_port) => HopName::Bridge,
        _ => HopName::Route,
    }
}

/// The hop after a netfilter hook.
fn after_netfilter(to: Point<'_>) -> HopName {
    match to {
        (Hook::CgroupEgress, _) => HopName::ClientStack,
        (Hook::CgroupIngress, _) => HopName::ServerStack,
        (Hook::DeviceTransmit | Hook::DeviceReceive, Some(device))
            if device.is_bridge_port || (device.is_bridge && to.0 == Hook::DeviceReceive) =>
        {
            HopName::Bridge
        }
        _ => HopName::Route,
    }
}

pub(super) fn is_overlay(device: &Device) -> bool {
    matches!(
        device.link_kind.as_str(),
        "vxlan" | "geneve" | "ipip" | "sit" | "gre" | "ip6tnl" | "wireguard"
    )
}
