//! Stamps as real kernels write them, and the hops they make.
//!
//! A case is text: a line per stamp, `nanoseconds hook [device]`; devices are `name:kind[:port]`.

use tracer_common::message::Message;

use super::*;
use crate::decode::{DeviceId, Tuple};

/// Checks the hops of `stamps`, each as `name [interface] nanoseconds`, one a line.
fn check(stamps: &str, read_ns: Option<u64>, expected: &str) {
    check_of(stamps, read_ns, expected, |_| {});
}

/// The same of a journey that is changed first.
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
    let path = path(&journey, read_ns, &devices);
    let hops: Vec<String> = path.hops.iter().map(line).collect();
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(hops, expected);
    partitions(&path);
}

/// Every nanosecond of the path is in exactly one hop.
fn partitions(path: &Path) {
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
        let mut parts = text.split(':');
        let name = parts.next().unwrap();
        let kind = parts.next().unwrap();
        let id = DeviceId {
            netns: 1,
            ifindex: name.bytes().fold(0, |sum: u32, byte| {
                sum.wrapping_mul(31).wrapping_add(byte.into())
            }),
        };
        devices.insert(Device {
            id,
            name: name.to_owned(),
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
    let address = "10.244.0.2:40000".parse().unwrap();
    Journey {
        message: Message::Request,
        end,
        start_ns: stamps[0].at_ns,
        sender_cookie: 1,
        receiver_cookie: 2,
        sender_cgroup: 0,
        receiver_cgroup: 0,
        seq: 0,
        ack: 0,
        payload_bytes: 0,
        drop_reason: None,
        sent: Tuple {
            source: address,
            destination: address,
        },
        received: None,
        conntrack: None,
        stamps,
        stamps_cut: false,
        head_lost: false,
    }
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

#[test]
fn a_single_stamp_is_an_empty_path() {
    check("7 cgroup_egress", None, "");
}

#[test]
fn a_read_before_the_last_stamp_does_not_run_backwards() {
    check(
        "10 cgroup_egress
         20 cgroup_ingress",
        Some(15),
        "client.stack 10
         socket.queue 0",
    );
}

#[test]
fn devices_that_nobody_told_of() {
    let mut stamps = vec![
        stamp("0 cgroup_egress", &mut Devices::default()),
        stamp("5 device_transmit eth0:veth", &mut Devices::default()),
        stamp("9 cgroup_ingress", &mut Devices::default()),
    ];
    stamps[1].at_ns = 6;
    let path = path(&journey(stamps), None, &Devices::default());
    partitions(&path);
    assert_eq!(path.hops[1].interface, None);
}

/// Checks the hops of a packet that came from another node.
fn check_arrived(stamps: &str, read_ns: Option<u64>, expected: &str) {
    check_of(stamps, read_ns, expected, |journey| {
        journey.sender_cookie = tracer_common::remote::REMOTE | 1;
    });
}

/// Checks the hops of a packet that went on to another node.
fn check_left(stamps: &str, expected: &str) {
    check_of(stamps, None, expected, |journey| journey.end = End::Left);
}

#[test]
fn to_a_pod_of_another_node() {
    check_left(
        "0 cgroup_egress
         10 device_transmit eth0:veth
         20 device_receive vethc:veth
         24 prerouting_enter
         40 prerouting_leave
         43 forward_enter
         44 forward_leave
         45 postrouting_enter
         47 postrouting_leave
         50 device_transmit ens5:",
        "client.stack eth0 10
         veth vethc 14
         netfilter.prerouting 16
         route 3
         netfilter.forward 1
         route 1
         netfilter.postrouting 2
         route 3
         wire ens5 0",
    );
}

#[test]
fn from_a_pod_of_another_node() {
    check_arrived(
        "50 uplink_receive ens5:
         54 prerouting_enter
         56 prerouting_leave
         57 forward_enter
         58 forward_leave
         59 postrouting_enter
         60 postrouting_leave
         62 device_transmit veths:veth
         70 device_receive eth9:veth
         80 cgroup_ingress",
        Some(90),
        "wire ens5 0
         route 4
         netfilter.prerouting 2
         route 1
         netfilter.forward 1
         route 1
         netfilter.postrouting 1
         route 2
         veth veths 8
         server.stack eth9 10
         socket.queue 10",
    );
}

#[test]
fn to_the_node_from_another() {
    check_arrived(
        "50 uplink_receive ens5:
         60 cgroup_ingress",
        Some(61),
        "wire ens5 0
         server.stack ens5 10
         socket.queue 1",
    );
}

/// What the outer packet meets is the overlay's.
#[test]
fn through_a_tunnel_to_another_node() {
    check_left(
        "0 cgroup_egress
         10 device_transmit eth0:veth
         20 device_receive vethc:veth
         24 forward_enter
         25 forward_leave
         30 device_transmit flannel:vxlan
         32 output_enter
         33 output_leave
         34 postrouting_enter
         36 postrouting_leave
         40 device_transmit ens5:",
        "client.stack eth0 10
         veth vethc 14
         netfilter.forward 1
         route 5
         overlay flannel 10
         wire ens5 0",
    );
}

#[test]
fn through_a_tunnel_from_another_node() {
    check_arrived(
        "40 uplink_receive ens5:
         42 prerouting_enter
         43 prerouting_leave
         44 input_enter
         46 input_leave
         50 device_receive flannel:vxlan
         52 prerouting_enter
         55 prerouting_leave
         57 device_transmit veths:veth
         60 device_receive eth9:veth
         80 cgroup_ingress",
        None,
        "wire ens5 0
         overlay flannel 12
         netfilter.prerouting 3
         route 2
         veth veths 3
         server.stack eth9 20",
    );
}

/// The handshake of a connection to another node: nobody here knows what is between its two wires.
#[test]
fn what_another_node_does_is_no_hop_of_this_one() {
    let mut devices = Devices::default();
    let mut path_of = |stamps: &str, change: fn(&mut Journey)| {
        let stamps = stamps
            .lines()
            .map(|line| stamp(line, &mut devices))
            .collect();
        let mut journey = journey(stamps);
        change(&mut journey);
        path(&journey, None, &devices)
    };
    let syn = path_of("0 cgroup_egress\n10 device_transmit ens5:", |journey| {
        journey.end = End::Left;
    });
    let syn_ack = path_of("50 uplink_receive ens5:\n60 cgroup_ingress", |journey| {
        journey.sender_cookie = tracer_common::remote::REMOTE | 1;
    });
    let connect = syn.then(syn_ack);
    let lines: Vec<String> = connect.hops.iter().map(line).collect();
    let expected = [
        "client.stack ens5 10",
        "wire ens5 0",
        "wire ens5 0",
        "server.stack ens5 10",
    ];
    assert_eq!(lines, expected);
    assert_eq!((connect.start_ns, connect.end_ns), (0, 60));
    assert_eq!(connect.hops[2].start_ns, 50);
}

/// How long the first attempt was on its way is its sender's to tell.
#[test]
fn a_retransmission_that_arrives_begins_where_it_arrives() {
    let mut devices = Devices::default();
    let stamps = ["50 uplink_receive ens5:", "60 cgroup_ingress"];
    let stamps = stamps.map(|line| stamp(line, &mut devices));
    let mut journey = journey(stamps.to_vec());
    journey.sender_cookie = tracer_common::remote::REMOTE | 1;
    let mut path = path(&journey, None, &devices);
    path.start_at(3);
    assert_eq!(path.start_ns, 50);
    partitions(&path);
}
