//! Paths to and from other nodes.

use super::*;

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
         route 3",
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
        "route 4
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
        "server.stack ens5 10
         socket.queue 1",
    );
}

/// Netfilter hooks of the outer packet belong to the overlay hop.
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
         overlay flannel 10",
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
        "overlay flannel 12
         netfilter.prerouting 3
         route 2
         veth veths 3
         server.stack eth9 20",
    );
}

/// The handshake of a connection to another node.
#[test]
fn time_on_another_node_is_on_the_wire() {
    let mut devices = Devices::default();
    let mut path_of = |stamps: &str, change: fn(&mut Journey)| {
        let stamps = stamps
            .lines()
            .map(|line| stamp(line, &mut devices))
            .collect();
        let mut journey = journey(stamps);
        change(&mut journey);
        build_path(&journey, None, &devices, &reasons())
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
        "wire ens5 40",
        "server.stack ens5 10",
    ];
    assert_eq!(lines, expected);
    assert_eq!((connect.start_ns, connect.end_ns), (0, 60));
}

/// The time since the first transmission belongs to the sender's node.
#[test]
fn an_arriving_retransmission_starts_at_its_arrival() {
    let mut devices = Devices::default();
    let stamps = ["50 uplink_receive ens5:", "60 cgroup_ingress"];
    let stamps = stamps.map(|line| stamp(line, &mut devices));
    let mut journey = journey(stamps.to_vec());
    journey.sender_cookie = tracer_common::remote::REMOTE | 1;
    let mut path = build_path(&journey, None, &devices, &reasons());
    path.start_at(3);
    assert_eq!(path.start_ns, 50);
    check_partition(&path);
}
