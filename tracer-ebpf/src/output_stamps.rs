//! Netfilter stamps of packets that the node's own network namespace sends.
//!
//! Such a packet passes NF_INET_LOCAL_OUT and NF_INET_POST_ROUTING before cgroup egress, which
//! finds out whether it is of interest. The way from the first hook to egress is straight and on
//! one CPU. The stamps are therefore parked in one place per CPU, and egress takes them by the
//! packet's address. If another packet interrupts on the way, its stamps replace those of the
//! first, which then has none.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::map, maps::PerCpuArray};
use tracer_common::{
    hook::Hook,
    journey::{HAS_CONNTRACK, Journey},
};

use crate::{
    journey::{HookPoint, stamp_at},
    kernel::{conntrack::NfConn, skb::Skb},
    shared::{Cells, MapValue as _, Shared, field},
};

/// In the order of time, and of the hook numbers.
const HOOKS: [Hook; 4] = [
    Hook::OutputEnter,
    Hook::OutputLeave,
    Hook::PostroutingEnter,
    Hook::PostroutingLeave,
];

#[repr(C)]
struct Parked {
    /// Address of the sk_buff; 0 if no stamps are parked.
    skb: Shared<u64>,
    /// Address of its `struct nf_conn`, or 0.
    conntrack: Shared<u64>,
    /// Times at [`HOOKS`]; 0 where the packet has not been yet.
    at_ns: [Shared<u64>; HOOKS.len()],
}

// SAFETY: nothing but cells.
unsafe impl Cells for Parked {}

/// Only this CPU accesses it, but a program can be interrupted anywhere by one that handles another
/// packet. An interrupt leaves `skb` as the address of its own packet or 0, so that the later hooks
/// of the interrupted packet, and egress, ignore the stamps. `skb` is therefore stored first and
/// compared last, and [`adopt`] compares the first time before and after it copies the others. On a
/// preemptible kernel, two programs that park at the same time can mix their times, which then are
/// wrong by as much as one of them was suspended.
#[map]
static PARKED: PerCpuArray<Parked> = PerCpuArray::with_max_entries(1, 0);

/// Parks the stamp of a packet without a journey at one of the hooks.
#[inline(always)]
pub(crate) fn park(skb: Skb, hook: Hook) {
    let index = (hook as usize).wrapping_sub(Hook::OutputEnter as usize);
    if index >= HOOKS.len() {
        return;
    }
    let Some(parked) = PARKED.value(0) else {
        return;
    };
    let address = skb.address();
    if hook as u8 == Hook::OutputEnter as u8 {
        parked.skb.set(address);
        for at_ns in &parked.at_ns {
            at_ns.set(0);
        }
    } else if parked.skb.get() != address {
        return;
    }
    // SAFETY: the helper has no preconditions.
    parked.at_ns[index].set(unsafe { bpf_ktime_get_ns() });
    let conntrack = skb.conntrack().map_or(0, NfConn::address);
    parked.conntrack.set(conntrack);
    if hook as u8 == Hook::OutputLeave as u8 && conntrack != 0 && !NfConn::at(conntrack).is_tcp() {
        parked.skb.set(0);
    }
}

/// Takes the stamps parked for the packet at this address. Returns when it entered
/// NF_INET_LOCAL_OUT, or 0 if there are none: the payload of an `Option` without a value is a
/// register that the verifier refuses to see saved.
///
/// Called for every packet that leaves or is dropped, because another packet will have the address.
/// The packets of a tunnel do not pass cgroup egress: for them it is called where a device
/// transmits.
#[inline(always)]
pub(crate) fn take(skb: u64) -> u64 {
    let Some(parked) = PARKED.value(0) else {
        return 0;
    };
    let entered_ns = parked.at_ns[0].get();
    if parked.skb.get() != skb {
        return 0;
    }
    parked.skb.set(0);
    entered_ns
}

/// Adds the stamps that [`take`] has taken to a journey, which begins at the time that it returned.
/// Adds none if another packet has parked its own since.
#[inline(always)]
pub(crate) fn adopt(journey: &Shared<Journey>) {
    let Some(parked) = PARKED.value(0) else {
        return;
    };
    let start_ns = field!(journey, start_ns).get();
    if parked.at_ns[0].get() != start_ns {
        return;
    }
    for (hook, at_ns) in HOOKS.into_iter().zip(&parked.at_ns) {
        let at_ns = at_ns.get();
        if at_ns != 0 {
            stamp_at(journey, HookPoint::without_device(hook), at_ns);
        }
    }
    let conntrack = parked.conntrack.get();
    if parked.at_ns[0].get() != start_ns {
        field!(journey, stamp_count).set(0);
        return;
    }
    if conntrack != 0 && NfConn::at(conntrack).copy_tuples(field!(journey, conntrack)) {
        field!(journey, flags).set_bits(HAS_CONNTRACK);
    }
}
