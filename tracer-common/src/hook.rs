//! The places in the kernel where a program runs.

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

impl Hook {
    /// Every hook, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::CgroupEgress,
        Self::DeviceTransmit,
        Self::DeviceReceive,
        Self::PreroutingEnter,
        Self::PreroutingLeave,
        Self::InputEnter,
        Self::InputLeave,
        Self::ForwardEnter,
        Self::ForwardLeave,
        Self::OutputEnter,
        Self::OutputLeave,
        Self::PostroutingEnter,
        Self::PostroutingLeave,
        Self::CgroupIngress,
        Self::SocketRead,
        Self::PacketDrop,
        Self::SocketClose,
        Self::UplinkReceive,
    ];

    /// The name in reports and errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CgroupEgress => "cgroup_egress",
            Self::DeviceTransmit => "device_transmit",
            Self::DeviceReceive => "device_receive",
            Self::PreroutingEnter => "prerouting_enter",
            Self::PreroutingLeave => "prerouting_leave",
            Self::InputEnter => "input_enter",
            Self::InputLeave => "input_leave",
            Self::ForwardEnter => "forward_enter",
            Self::ForwardLeave => "forward_leave",
            Self::OutputEnter => "output_enter",
            Self::OutputLeave => "output_leave",
            Self::PostroutingEnter => "postrouting_enter",
            Self::PostroutingLeave => "postrouting_leave",
            Self::CgroupIngress => "cgroup_ingress",
            Self::SocketRead => "socket_read",
            Self::PacketDrop => "packet_drop",
            Self::SocketClose => "socket_close",
            Self::UplinkReceive => "uplink_receive",
        }
    }
}

impl TryFrom<u8> for Hook {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        Self::ALL.get(usize::from(value)).copied().ok_or(value)
    }
}

const _: () = {
    let mut index = 0;
    while index < Hook::ALL.len() {
        assert!(Hook::ALL[index] as usize == index);
        index += 1;
    }
};
