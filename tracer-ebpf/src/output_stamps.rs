//! The netfilter stamps of packets that the node itself sends.
//!
//! Such a packet passes NF_INET_LOCAL_OUT and NF_INET_POST_ROUTING before cgroup egress, where it is
//! known to be of interest or not. The way from the one to the other is straight, on one CPU, so the
//! stamps wait in one place per CPU, and egress takes them by the packet's address. A packet that
//! was interrupted on its way by another finds that one's stamps there, and has none.

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
struct Waiting {
    skb: Shared<u64>,
    conntrack: Shared<u64>,
    at_ns: [Shared<u64>; HOOKS.len()],
}

// SAFETY: nothing but cells.
unsafe impl Cells for Waiting {}

/// Only this CPU accesses it, but a program can be interrupted anywhere by one that handles another
/// packet. An interrupt leaves the address of its own packet, or 0, so that the interrupted packet's
/// later hooks and egress leave the stamps alone. `skb` is therefore stored first and compared first;
/// [`adopt`] compares the first time before and after it copies.
#[map]
static OUTPUT: PerCpuArray<Waiting> = PerCpuArray::with_max_entries(1, 0);

/// A packet without a journey is at one of the hooks.
#[inline(always)]
pub(crate) fn wait(skb: Skb, hook: Hook) {
    let index = (hook as usize).wrapping_sub(Hook::OutputEnter as usize);
    if index >= HOOKS.len() {
        return;
    }
    let Some(waiting) = OUTPUT.value(0) else {
        return;
    };
    let address = skb.address();
    if hook as u8 == Hook::OutputEnter as u8 {
        waiting.skb.set(address);
        for at_ns in &waiting.at_ns {
            at_ns.set(0);
        }
    } else if waiting.skb.get() != address {
        return;
    }
    // SAFETY: the helper has no preconditions.
    waiting.at_ns[index].set(unsafe { bpf_ktime_get_ns() });
    let conntrack = skb.conntrack().map_or(0, NfConn::address);
    waiting.conntrack.set(conntrack);
    if hook as u8 == Hook::OutputLeave as u8 && conntrack != 0 && !NfConn::at(conntrack).is_tcp() {
        waiting.skb.set(0);
    }
}

/// When the packet at this address entered NF_INET_LOCAL_OUT, if its stamps wait; they wait no longer.
/// 0 if they do not: the payload of an `Option` that is none is a register that the verifier
/// refuses to see saved.
///
/// To be asked for every packet that leaves or is dropped: the address will be another packet's. What
/// a tunnel sends does not pass cgroup egress, and is asked for where a device transmits it.
#[inline(always)]
pub(crate) fn take(skb: u64) -> u64 {
    let Some(waiting) = OUTPUT.value(0) else {
        return 0;
    };
    // Before the comparison, or it could be that of a packet that interrupts.
    let entered_ns = waiting.at_ns[0].get();
    if waiting.skb.get() != skb {
        return 0;
    }
    waiting.skb.set(0);
    entered_ns
}

/// Gives a journey the stamps that were taken for it: none where those of another packet have come
/// in their place since [`take`], which returned the journey's start.
#[inline(always)]
pub(crate) fn adopt(journey: &Shared<Journey>) {
    let Some(waiting) = OUTPUT.value(0) else {
        return;
    };
    let start_ns = field!(journey, start_ns).get();
    if waiting.at_ns[0].get() != start_ns {
        return;
    }
    for (hook, at_ns) in HOOKS.into_iter().zip(&waiting.at_ns) {
        let at_ns = at_ns.get();
        if at_ns != 0 {
            stamp_at(journey, HookPoint::without_device(hook), at_ns);
        }
    }
    let conntrack = waiting.conntrack.get();
    if waiting.at_ns[0].get() != start_ns {
        field!(journey, stamp_count).set(0);
        return;
    }
    if conntrack != 0 && NfConn::at(conntrack).copy_tuples(field!(journey, conntrack)) {
        field!(journey, flags).set_bits(HAS_CONNTRACK);
    }
}
