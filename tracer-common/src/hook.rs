//! The places in the kernel where a program runs.

use crate::named::named;

/// A hook. Its number is the first index of the hit counters and the `hook` of a stamp.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// cgroup_skb egress: opens journeys.
    CgroupEgress = 0,
    /// tp_btf net_dev_start_xmit: a device starts to transmit.
    DeviceTransmit = 1,
    /// tp_btf netif_receive_skb: the network stack takes a packet from a device.
    DeviceReceive = 2,
    /// Before all other functions of NF_INET_PRE_ROUTING, which do the DNAT of forwarded packets.
    PreroutingEnter = 3,
    /// After all other functions of NF_INET_PRE_ROUTING.
    PreroutingLeave = 4,
    /// Before all other functions of NF_INET_LOCAL_IN.
    InputEnter = 5,
    /// After all other functions of NF_INET_LOCAL_IN.
    InputLeave = 6,
    /// Before all other functions of NF_INET_FORWARD.
    ForwardEnter = 7,
    /// After all other functions of NF_INET_FORWARD.
    ForwardLeave = 8,
    /// Before all other functions of NF_INET_LOCAL_OUT, which do the DNAT of the node's own
    /// packets.
    OutputEnter = 9,
    /// After all other functions of NF_INET_LOCAL_OUT.
    OutputLeave = 10,
    /// Before all other functions of NF_INET_POST_ROUTING, which do SNAT and masquerade.
    PostroutingEnter = 11,
    /// After all other functions of NF_INET_POST_ROUTING.
    PostroutingLeave = 12,
    /// cgroup_skb ingress: a socket takes the packet; closes journeys.
    CgroupIngress = 13,
    /// tp_btf sock_recv_length (or tcp_rcv_space_adjust): the application has read.
    SocketRead = 14,
    /// tp_btf kfree_skb: the packet is dropped.
    PacketDrop = 15,
    /// tp_btf inet_sock_set_state: a socket closes.
    SocketClose = 16,
    /// Socket filter on an uplink: a packet arrives from another node; opens journeys.
    UplinkReceive = 17,
}

named!(
    Hook,
    CgroupEgress: "cgroup_egress",
    DeviceTransmit: "device_transmit",
    DeviceReceive: "device_receive",
    PreroutingEnter: "prerouting_enter",
    PreroutingLeave: "prerouting_leave",
    InputEnter: "input_enter",
    InputLeave: "input_leave",
    ForwardEnter: "forward_enter",
    ForwardLeave: "forward_leave",
    OutputEnter: "output_enter",
    OutputLeave: "output_leave",
    PostroutingEnter: "postrouting_enter",
    PostroutingLeave: "postrouting_leave",
    CgroupIngress: "cgroup_ingress",
    SocketRead: "socket_read",
    PacketDrop: "packet_drop",
    SocketClose: "socket_close",
    UplinkReceive: "uplink_receive",
);

impl TryFrom<u8> for Hook {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        Self::ALL.get(usize::from(value)).copied().ok_or(value)
    }
}
