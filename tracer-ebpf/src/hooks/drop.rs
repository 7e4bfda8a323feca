//! tp_btf kfree_skb: packets that the kernel drops.
//!
//! Sees: every drop with its reason (kernel: kfree_skb_reason, void (struct sk_buff *, void *, enum
//! skb_drop_reason), 5.17 and later; one argument more from 6.11). Misses: packets that a driver
//! consumes. Oldest kernel: 5.17; before, the tracepoint has no reason and the program does not
//! load. No fallback: the journey of a dropped packet then expires.

use core::ffi::c_void;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::debug;
use tracer_common::{counter::Counter, hook::Hook, journey::End};

use crate::{
    counter::count,
    journey::{self, HookPoint},
    kernel::skb::Skb,
    output_stamps,
    shared::field,
};

#[btf_tracepoint(function = "kfree_skb")]
fn packet_drop(ctx: BtfTracePointContext) -> i32 {
    let packet = Skb::new(ctx.arg::<*const c_void>(0));
    let skb = packet.address();
    let _ = output_stamps::take(skb);
    if let Some(journey) = journey::find(skb) {
        let seq = field!(journey, seq).get();
        if !packet.may_have_seq(seq) {
            // The journey's packet has left the hooks' sight, and another has its address.
            count(Counter::Mismatched);
            journey::forget(skb);
            return 0;
        }
        let reason = ctx.arg::<u32>(2);
        field!(journey, drop_reason).set(reason);
        journey::stamp(journey, HookPoint::without_device(Hook::PacketDrop));
        debug!(&ctx, "drop: seq {} reason {}", seq, reason);
        journey::end(skb, journey, End::Dropped);
    }
    0
}
