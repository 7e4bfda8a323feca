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
    journey::{Place, stamp_at},
    kernel::{conntrack::NfConn, skb::Skb},
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
    skb: u64,
    conntrack: u64,
    at_ns: [u64; HOOKS.len()],
}

#[map]
static OUTPUT: PerCpuArray<Waiting> = PerCpuArray::with_max_entries(1, 0);

/// A packet without a journey is at one of the hooks.
#[inline(always)]
pub(crate) fn wait(skb: Skb, hook: Hook) {
    let index = (hook as usize).wrapping_sub(Hook::OutputEnter as usize);
    if index >= HOOKS.len() {
        return;
    }
    let Some(waiting) = OUTPUT.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: checked for null; a program that interrupts this one leaves another address, which
    // egress does not adopt.
    let waiting = unsafe { &mut *waiting };
    let address = skb.address();
    if hook as u8 == Hook::OutputEnter as u8 {
        waiting.skb = address;
        waiting.at_ns = [0; HOOKS.len()];
    } else if waiting.skb != address {
        return;
    }
    // SAFETY: the helper has no preconditions.
    waiting.at_ns[index] = unsafe { bpf_ktime_get_ns() };
    waiting.conntrack = skb.conntrack().map_or(0, NfConn::address);
    if hook as u8 == Hook::OutputLeave as u8
        && waiting.conntrack != 0
        && !NfConn::at(waiting.conntrack).is_tcp()
    {
        waiting.skb = 0;
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
    let Some(waiting) = OUTPUT.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: as in `wait`.
    let waiting = unsafe { &mut *waiting };
    if waiting.skb != skb {
        return 0;
    }
    waiting.skb = 0;
    waiting.at_ns[0]
}

/// Gives a journey the stamps that were taken for it.
#[inline(always)]
pub(crate) fn adopt(journey: &mut Journey) {
    let Some(waiting) = OUTPUT.get_ptr(0) else {
        return;
    };
    // SAFETY: as in `wait`.
    let waiting = unsafe { &*waiting };
    for (hook, at_ns) in HOOKS.into_iter().zip(waiting.at_ns) {
        if at_ns != 0 {
            let place = Place {
                hook,
                netns: 0,
                ifindex: 0,
            };
            stamp_at(journey, place, at_ns);
        }
    }
    if waiting.conntrack != 0 && NfConn::at(waiting.conntrack).copy_tuples(&mut journey.conntrack) {
        journey.flags |= HAS_CONNTRACK;
    }
}
