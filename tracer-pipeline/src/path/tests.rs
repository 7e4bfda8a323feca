//! Hops built from stamps in the order that real kernels produce.
//!
//! A case is text: a line per stamp, `nanoseconds hook [device]`; devices are
//! `[netns/]name:kind[:port]`.

mod dropped;
mod nodes;

use tracer_common::message::Message;

use super::*;
use crate::decode::{DeviceId, JourneyBuilder};

/// Checks the hops of `stamps`, each as `name [interface] nanoseconds`, one a line.
fn check(stamps: &str, read_ns: Option<u64>, expected: &str) {
    check_of(stamps, read_ns, expected, |_| {});
}

/// The same, after `change` has modified the journey.
fn check_of(stamps: &str, read_ns: Option<u64>, expected: &str, change: fn(&mut Journey)) {
    let mut devices = Devices::default();
    let stamps: Vec<Stamp> = stamps
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| stamp(line, &mut devices))
        .collect();
    let mut journey = journey(stamps);
    change(&mut journey);
    let path = build_path(&journey, read_ns, &devices, &reasons());
    let hops: Vec<String> = path.hops.iter().map(line).collect();
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(hops, expected);
    check_partition(&path);
}

/// Two drop reasons of a kernel.
fn reasons() -> DropReasons {
    DropReasons {
        reasons: [(3, "NO_SOCKET".into()), (12, "NETFILTER_DROP".into())].into(),
        ..DropReasons::default()
    }
}

/// Checks that every nanosecond of the path is in exactly one hop.
fn check_partition(path: &Path) {
    let mut at_ns = path.start_ns;
    for hop in &path.hops {
        assert_eq!(hop.start_ns, at_ns, "gap or overlap before {hop:?}");
        assert!(hop.end_ns >= hop.start_ns, "{hop:?} runs backwards");
        at_ns = hop.end_ns;
    }
    assert_eq!(at_ns, path.end_ns);
}

fn line(hop: &Hop) -> String {
    let interface = hop
        .interface
        .as_deref()
        .map_or(String::new(), |name| format!(" {name}"));
    format!(
        "{}{interface} {}",
        hop.name.as_str(),
        hop.end_ns - hop.start_ns
    )
}

fn stamp(line: &str, devices: &mut Devices) -> Stamp {
    let mut words = line.split_whitespace();
    let at_ns = words.next().unwrap().parse().unwrap();
    let name = words.next().unwrap();
    let hook = Hook::ALL
        .into_iter()
        .find(|hook| hook.name() == name)
        .unwrap();
    let device = words.next().map(|text| {
        let (netns, text) = text.split_once('/').unwrap_or(("1", text));
        let mut parts = text.split(':');
        let name = parts.next().unwrap();
        let kind = parts.next().unwrap();
        let id = DeviceId {
            netns: netns.parse().unwrap(),
            ifindex: name.bytes().fold(0, |sum: u32, byte| {
                sum.wrapping_mul(31).wrapping_add(byte.into())
            }),
        };
        devices.insert(Device {
            id,
            name: name.into(),
            link_kind: kind.to_owned(),
            is_bridge: kind == "bridge",
            is_bridge_port: parts.next() == Some("port"),
        });
        id
    });
    Stamp {
        at_ns,
        hook,
        device,
    }
}

fn journey(stamps: Vec<Stamp>) -> Journey {
    let end = match stamps.last().unwrap().hook {
        Hook::CgroupIngress => End::Socket,
        Hook::PacketDrop => End::Dropped,
        _ => End::Expired,
    };
    JourneyBuilder::new(Message::Request)
        .end(end)
        .start_ns(stamps[0].at_ns)
        .stamps(stamps)
        .build()
}

#[test]
fn bridged_with_netfilter() {
    check(
        "100 cgroup_egress
         110 device_transmit eth0:veth
         125 device_receive vethc:veth:port
         130 prerouting_enter
         160 prerouting_leave
         165 forward_enter
         170 forward_leave
         172 postrouting_enter
         180 postrouting_leave
         185 device_transmit veths:veth:port
         200 device_receive eth9:veth
         230 cgroup_ingress",
        Some(300),
        "client.stack eth0 10
         veth vethc 15
         bridge vethc 5
         netfilter.prerouting 30
         route 5
         netfilter.forward 5
         route 2
         netfilter.postrouting 8
         bridge veths 5
         veth veths 15
         server.stack eth9 30
         socket.queue 70",
    );
}

#[test]
fn routed_through_the_bridge_s_own_stack() {
    check(
        "0 cgroup_egress
         10 device_transmit eth0:veth
         20 device_receive vethc:veth:port
         30 device_receive cni0:bridge
         35 prerouting_enter
         45 prerouting_leave
         50 device_transmit cni0:bridge
         60 device_transmit veths:veth:port
         70 device_receive eth9:veth
         80 cgroup_ingress",
        None,
        "client.stack eth0 10
         veth vethc 10
         bridge cni0 15
         netfilter.prerouting 10
         route 5
         bridge cni0 10
         veth veths 10
         server.stack eth9 10",
    );
}

#[test]
fn routed_pod_by_pod() {
    check(
        "0 cgroup_egress
         10 device_transmit eth0:veth
         20 device_receive vethc:veth
         24 prerouting_enter
         40 prerouting_leave
         43 forward_enter
         44 forward_leave
         45 postrouting_enter
         47 postrouting_leave
         50 device_transmit veths:veth
         60 device_receive eth9:veth
         70 cgroup_ingress",
        Some(71),
        "client.stack eth0 10
         veth vethc 14
         netfilter.prerouting 16
         route 3
         netfilter.forward 1
         route 1
         netfilter.postrouting 2
         route 3
         veth veths 10
         server.stack eth9 10
         socket.queue 1",
    );
}

#[test]
fn routed_from_the_node_to_a_pod() {
    check(
        "0 output_enter
         20 output_leave
         22 postrouting_enter
         30 postrouting_leave
         33 cgroup_egress
         40 device_transmit veths:veth
         50 device_receive eth0:veth
         55 cgroup_ingress",
        Some(60),
        "netfilter.output 20
         route 2
         netfilter.postrouting 8
         client.stack veths 10
         veth veths 10
         server.stack eth0 5
         socket.queue 5",
    );
}

#[test]
fn routed_from_a_pod_to_the_node() {
    check(
        "0 cgroup_egress
         10 device_transmit eth0:veth
         20 device_receive vethc:veth
         24 prerouting_enter
         40 prerouting_leave
         43 input_enter
         45 input_leave
         50 cgroup_ingress",
        Some(50),
        "client.stack eth0 10
         veth vethc 14
         netfilter.prerouting 16
         route 3
         netfilter.input 2
         server.stack 5
         socket.queue 0",
    );
}

#[test]
fn a_veth_from_a_switch_is_crossed_once() {
    check(
        "0 cgroup_egress
         10 device_transmit eth0:veth
         20 device_receive port1:veth:port
         30 device_transmit port2:veth:port
         40 device_receive eth0:veth
         45 prerouting_enter
         50 prerouting_leave
         60 device_transmit veths:veth
         70 device_receive eth9:veth
         80 cgroup_ingress",
        None,
        "client.stack eth0 10
         veth port1 10
         bridge port1 10
         veth port2 15
         netfilter.prerouting 5
         route 10
         veth veths 10
         server.stack eth9 10",
    );
}

#[test]
fn from_the_node_to_itself() {
    check(
        "0 output_enter
         20 output_leave
         22 postrouting_enter
         30 postrouting_leave
         33 cgroup_egress
         40 device_transmit lo:
         45 device_receive lo:
         50 prerouting_enter
         52 prerouting_leave
         53 input_enter
         55 input_leave
         60 cgroup_ingress",
        Some(60),
        "netfilter.output 20
         route 2
         netfilter.postrouting 8
         client.stack lo 10
         route 10
         netfilter.prerouting 2
         route 1
         netfilter.input 2
         server.stack 5
         socket.queue 0",
    );
}

#[test]
fn over_the_loopback_device() {
    check(
        "0 cgroup_egress
         5 device_transmit lo:
         9 device_receive lo:
         20 cgroup_ingress",
        Some(25),
        "client.stack lo 5
         route 4
         server.stack lo 11
         socket.queue 5",
    );
}

#[test]
fn sent_by_the_node_itself() {
    check(
        "0 output_enter
         20 output_leave
         22 postrouting_enter
         30 postrouting_leave
         33 cgroup_egress
         40 device_transmit cni0:bridge
         45 device_transmit veths:veth:port
         50 device_receive eth0:veth
         55 cgroup_ingress",
        Some(60),
        "netfilter.output 20
         route 2
         netfilter.postrouting 8
         client.stack cni0 10
         bridge cni0 5
         veth veths 5
         server.stack eth0 5
         socket.queue 5",
    );
}

#[test]
fn a_single_stamp_is_an_empty_path() {
    check("7 cgroup_egress", None, "");
}

#[test]
fn a_read_before_the_last_stamp_ends_the_path_at_that_stamp() {
    check(
        "10 cgroup_egress
         20 cgroup_ingress",
        Some(15),
        "client.stack 10
         socket.queue 0",
    );
}

#[test]
fn hops_of_unknown_devices_have_no_interface() {
    let mut stamps = vec![
        stamp("0 cgroup_egress", &mut Devices::default()),
        stamp("5 device_transmit eth0:veth", &mut Devices::default()),
        stamp("9 cgroup_ingress", &mut Devices::default()),
    ];
    stamps[1].at_ns = 6;
    let path = build_path(&journey(stamps), None, &Devices::default(), &reasons());
    check_partition(&path);
    assert_eq!(path.hops[1].interface, None);
}
