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

/// From pod to pod: `A`'s packet on the node `N`, and in `B`.
const SENT: &str = "0 cgroup_egress
    10 device_transmit 2/eth0:veth";
const BRIDGED: &str = "20 device_receive 1/vethc:veth:port
    21 prerouting_enter
    22 prerouting_leave";
const ROUTED: &str = "20 device_receive 1/vethc:veth";
const DELIVERED: &str = "30 device_transmit 1/veths:veth
    40 device_receive 3/eth9:veth";

/// Checks the hop of a drop for a reason after these stamps.
fn check_hop(stamps: &[&str], reason: &str, expected: HopName) {
    let mut devices = Devices::default();
    let lines = stamps.iter().flat_map(|lines| lines.lines());
    let lines = lines.chain(["90 packet_drop"]).map(str::trim);
    let mut dropped = journey(lines.map(|line| stamp(line, &mut devices)).collect());
    dropped.drop_reason = Some(5);
    let reasons = DropReasons {
        reasons: [(5, reason.to_owned())].into(),
        ..DropReasons::default()
    };
    let packet_drop = PacketDrop::of(&dropped, &devices, &reasons).unwrap();
    assert_eq!(packet_drop.hop, Some(expected), "{reason} after {stamps:?}");
    check_partition(&build_path(&dropped, None, &devices, &reasons));
}

/// A socket in TIME_WAIT answers with a RST and drops the packet without a reason (kernel:
/// tcp_v4_rcv).
#[test]
fn dropped_behind_the_last_device() {
    let from_node = "0 output_enter\n1 output_leave\n2 cgroup_egress";
    let arrived = "0 uplink_receive 1/ens5:";
    for before in [
        &[SENT, BRIDGED, DELIVERED][..],
        &[SENT, ROUTED, DELIVERED],
        &[from_node, DELIVERED],
        &[arrived, DELIVERED],
    ] {
        for reason in ["NOT_SPECIFIED", "NO_SOCKET", "TCP_FLAGS", "NETFILTER_DROP"] {
            check_hop(before, reason, HopName::ServerStack);
        }
        check_hop(before, "TC_INGRESS", HopName::Veth);
        check_hop(before, "IP_RPFILTER", HopName::Route);
    }
}

/// The node of the sender's pod, which may also route the packet.
#[test]
fn dropped_behind_a_device_that_may_not_be_the_last() {
    check_hop(&[SENT, ROUTED], "NOT_SPECIFIED", HopName::Veth);
    check_hop(&[SENT, ROUTED], "NO_SOCKET", HopName::ServerStack);
    // In the other network namespace is a bridge.
    let to_bridge = "30 device_transmit 1/veths:veth\n40 device_receive 3/port:veth:port";
    check_hop(&[SENT, ROUTED, to_bridge], "NOT_SPECIFIED", HopName::Bridge);
}

#[test]
fn dropped_by_routing() {
    let up = "25 device_receive 1/cni0:bridge";
    for reason in [
        "IP_INNOROUTES",
        "IP_INADDRERRORS",
        "PKT_TOO_BIG",
        "NEIGH_FAILED",
    ] {
        check_hop(&[SENT, BRIDGED, up], reason, HopName::Route);
        check_hop(
            &[SENT, "20 device_receive 1/vethc:veth:port", up],
            reason,
            HopName::Route,
        );
        check_hop(&[SENT, ROUTED], reason, HopName::Route);
        check_hop(&["0 uplink_receive 1/ens5:"], reason, HopName::Route);
    }
    // An unreachable route has no reason (kernel: ip_error). PREROUTING was passed at the port.
    check_hop(&[SENT, BRIDGED, up], "NOT_SPECIFIED", HopName::Route);
    check_hop(&[SENT, BRIDGED, up], "TC_INGRESS", HopName::Bridge);
    let unseen = "20 device_receive 1/vethc:veth:port";
    check_hop(&[SENT, unseen, up], "NOT_SPECIFIED", HopName::Bridge);
    // The outer packet of a tunnel.
    let tunnel = "25 device_transmit 1/flannel:vxlan\n26 output_enter\n27 output_leave";
    check_hop(&[SENT, ROUTED, tunnel], "NEIGH_FAILED", HopName::Overlay);
}
