//! The programs that can serve each hook, and where they attach. In: a hook. Out: candidates, the
//! best first. The netfilter hooks are in [`super::netfilter`].

use aya::programs::CgroupSkbAttachType::{self, Egress, Ingress};
use tracer_common::hook::Hook;

/// A program, by the name of its function in the object, and where it attaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) function: &'static str,
    pub(super) point: AttachPoint,
}

/// Where a program attaches.
#[derive(Clone, Copy, Debug)]
pub(super) enum AttachPoint {
    /// The cgroup whose sockets are followed.
    Cgroup(CgroupSkbAttachType),
    /// A tracepoint, by its name, as a program with BTF.
    Tracepoint(&'static str),
    /// A packet socket on each uplink, once the uplinks are known.
    Uplink,
    /// As [`Self::Uplink`], with this small program as the filter, which calls the candidate. A
    /// socket is charged for its whole filter, and before 6.8 that may be 20 KiB (kernel:
    /// sk_filter_charge, net.core.optmem_max).
    UplinkBy(&'static str),
}

const BY_UPLINK_ENTRY: AttachPoint = AttachPoint::UplinkBy("uplink_entry");

/// The candidates of the hook that opens journeys, which is attached and detached first.
pub(super) const OPENERS: &[Candidate] = &[
    candidate("cgroup_egress", AttachPoint::Cgroup(Egress)),
    candidate("cgroup_egress_fallback", AttachPoint::Cgroup(Egress)),
];

/// The hooks in the order of attaching.
pub(super) const CANDIDATES: [(Hook, &[Candidate]); 8] = [
    (Hook::CgroupEgress, OPENERS),
    (
        Hook::CgroupIngress,
        &[candidate("cgroup_ingress", AttachPoint::Cgroup(Ingress))],
    ),
    (
        Hook::DeviceTransmit,
        &[candidate(
            "device_transmit",
            AttachPoint::Tracepoint("net_dev_start_xmit"),
        )],
    ),
    (
        Hook::DeviceReceive,
        &[candidate(
            "device_receive",
            AttachPoint::Tracepoint("netif_receive_skb"),
        )],
    ),
    (
        Hook::SocketRead,
        &[
            candidate("socket_read", AttachPoint::Tracepoint("sock_recv_length")),
            candidate(
                "socket_read_fallback",
                AttachPoint::Tracepoint("tcp_rcv_space_adjust"),
            ),
        ],
    ),
    (
        Hook::PacketDrop,
        &[candidate(
            "packet_drop",
            AttachPoint::Tracepoint("kfree_skb"),
        )],
    ),
    (
        Hook::SocketClose,
        &[
            candidate(
                "socket_close",
                AttachPoint::Tracepoint("inet_sock_set_state"),
            ),
            candidate(
                "socket_close_fallback",
                AttachPoint::Tracepoint("inet_sock_set_state"),
            ),
        ],
    ),
    (
        Hook::UplinkReceive,
        &[
            candidate("uplink_receive", AttachPoint::Uplink),
            candidate("uplink_receive", BY_UPLINK_ENTRY),
            candidate("uplink_receive_fallback", AttachPoint::Uplink),
            candidate("uplink_receive_fallback", BY_UPLINK_ENTRY),
        ],
    ),
];

// Does not compile unless every hook is here or in `netfilter`: a hook in neither would count as
// attached.
const _: () = {
    let mut index = 0;
    while index < Hook::ALL.len() {
        let hook = Hook::ALL[index];
        assert!(is_of_netfilter(hook) || has_candidates(hook));
        index += 1;
    }
};

/// Whether [`super::netfilter`] attaches the hook.
pub(super) const fn is_of_netfilter(hook: Hook) -> bool {
    Hook::PreroutingEnter as u8 <= hook as u8 && hook as u8 <= Hook::PostroutingLeave as u8
}

const fn has_candidates(hook: Hook) -> bool {
    let mut index = 0;
    while index < CANDIDATES.len() {
        if CANDIDATES[index].0 as u8 == hook as u8 {
            return true;
        }
        index += 1;
    }
    false
}

const fn candidate(function: &'static str, point: AttachPoint) -> Candidate {
    Candidate { function, point }
}

/// The candidates to try. Of several, the last is the one for old kernels.
pub(super) fn usable(candidates: &[Candidate], only_fallbacks: bool) -> &[Candidate] {
    match candidates {
        [.., last] if only_fallbacks => std::slice::from_ref(last),
        all => all,
    }
}

/// Whether no journey is seen without the hook.
pub(super) fn is_necessary(hook: Hook) -> bool {
    matches!(hook, Hook::CgroupEgress | Hook::CgroupIngress)
}
