//! tp_btf kfree_skb: a packet that the kernel throws away.
//!
//! Sees: every drop with its reason (kernel: kfree_skb_reason, void (struct sk_buff *, void *,
//! enum skb_drop_reason), 5.17 and later; one argument more from 6.11). Before 5.17 there is no
//! reason and the program does not load: a dropped packet's journey then expires.
//! Misses: packets that a driver consumes. No fallback.

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
        if !packet.may_be(seq) {
            // The journey's own has vanished, and its address is another's now.
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
