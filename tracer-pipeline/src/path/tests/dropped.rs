//! Hops of dropped packets.

use super::*;

#[test]
fn dropped_in_a_netfilter_hook() {
    check(
        "0 cgroup_egress
         10 device_transmit eth0:veth
         20 device_receive vethc:veth
         25 forward_enter
         40 packet_drop",
        Some(99),
        "client.stack eth0 10
         veth vethc 15
         netfilter.forward 15",
    );
}

/// Checks the hop of a drop, and whether conntrack dropped the packet.
fn check_drop(stamps: &[Hook], reason: u32, hop: HopName, by_conntrack: bool) {
    let stamp = |(index, hook): (u64, &Hook)| Stamp {
        at_ns: index,
        hook: *hook,
        device: None,
    };
    let mut dropped = journey((0..).zip(stamps).map(stamp).collect());
    dropped.drop_reason = Some(reason);
    let packet_drop = PacketDrop::of(&dropped, &Devices::default(), &reasons()).unwrap();
    assert_eq!(
        (packet_drop.hop, packet_drop.by_conntrack),
        (Some(hop), by_conntrack),
        "{stamps:?}"
    );
    assert_eq!(packet_drop.reason, Some(reasons().name(reason)));
}

#[test]
fn the_last_stamp_and_the_reason_give_the_hop_of_a_drop() {
    use Hook::{
        CgroupEgress, DeviceReceive, DeviceTransmit, ForwardEnter, InputEnter, InputLeave,
        PacketDrop, PostroutingLeave, PreroutingEnter, PreroutingLeave,
    };
    const NO_SOCKET: u32 = 3;
    const NETFILTER_DROP: u32 = 12;
    const NEIGH_FAILED: u32 = 77;
    for (before, reason, hop, by_conntrack) in [
        (PreroutingEnter, NETFILTER_DROP, HopName::Prerouting, false),
        (ForwardEnter, NETFILTER_DROP, HopName::Forward, false),
        (InputEnter, NETFILTER_DROP, HopName::Input, false),
        (InputLeave, NETFILTER_DROP, HopName::Input, true),
        (PostroutingLeave, NETFILTER_DROP, HopName::Postrouting, true),
        (PostroutingLeave, NEIGH_FAILED, HopName::Route, false),
        (InputLeave, NO_SOCKET, HopName::ServerStack, false),
        (DeviceReceive, NO_SOCKET, HopName::ServerStack, false),
        (DeviceTransmit, NEIGH_FAILED, HopName::Veth, false),
        (PreroutingLeave, NEIGH_FAILED, HopName::Route, false),
        (CgroupEgress, NEIGH_FAILED, HopName::ClientStack, false),
    ] {
        let stamps = [CgroupEgress, before, PacketDrop];
        check_drop(&stamps, reason, hop, by_conntrack);
    }
}
