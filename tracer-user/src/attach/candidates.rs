//! Which functions can serve which hook, and where they attach. In: a hook. Out: candidates, the best
//! first. The netfilter hooks are not among them: see [`super::netfilter`].

use aya::programs::CgroupSkbAttachType::{self, Egress, Ingress};
use tracer_common::hook::Hook;

/// A function of the object, and where it attaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) function: &'static str,
    pub(super) place: Place,
}

/// Where a program attaches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// To the cgroup whose sockets are followed.
    Cgroup(CgroupSkbAttachType),
    /// To a tracepoint, by its name, as a program with BTF.
    Tracepoint(&'static str),
    /// To a packet socket on each uplink, when they are known.
    Uplink,
}

/// The hook that opens journeys: it is attached and detached first.
pub(super) const OPENERS: &[Candidate] = &[
    candidate("cgroup_egress", Place::Cgroup(Egress)),
    candidate("cgroup_egress_fallback", Place::Cgroup(Egress)),
];

/// The hooks, in the order in which they are attached.
pub(super) const CANDIDATES: [(Hook, &[Candidate]); 8] = [
    (Hook::CgroupEgress, OPENERS),
    (
        Hook::CgroupIngress,
        &[candidate("cgroup_ingress", Place::Cgroup(Ingress))],
    ),
    (
        Hook::DeviceTransmit,
        &[candidate(
            "device_transmit",
            Place::Tracepoint("net_dev_start_xmit"),
        )],
    ),
    (
        Hook::DeviceReceive,
        &[candidate(
            "device_receive",
            Place::Tracepoint("netif_receive_skb"),
        )],
    ),
    (
        Hook::SocketRead,
        &[
            candidate("socket_read", Place::Tracepoint("sock_recv_length")),
            candidate(
                "socket_read_fallback",
                Place::Tracepoint("tcp_rcv_space_adjust"),
            ),
        ],
    ),
    (
        Hook::PacketDrop,
        &[candidate("packet_drop", Place::Tracepoint("kfree_skb"))],
    ),
    (
        Hook::SocketClose,
        &[
            candidate("socket_close", Place::Tracepoint("inet_sock_set_state")),
            candidate(
                "socket_close_fallback",
                Place::Tracepoint("inet_sock_set_state"),
            ),
        ],
    ),
    (
        Hook::UplinkReceive,
        &[
            candidate("uplink_receive", Place::Uplink),
            candidate("uplink_receive_fallback", Place::Uplink),
        ],
    ),
];

const fn candidate(function: &'static str, place: Place) -> Candidate {
    Candidate { function, place }
}

/// The candidates to try; of several, only the last is for old kernels.
pub(super) fn usable(candidates: &[Candidate], only_fallbacks: bool) -> &[Candidate] {
    match candidates {
        [.., last] if only_fallbacks => std::slice::from_ref(last),
        all => all,
    }
}

/// Whether nothing is seen without a hook.
pub(super) fn is_necessary(hook: Hook) -> bool {
    matches!(hook, Hook::CgroupEgress | Hook::CgroupIngress)
}
