//! Copies the first bytes of a head to user space.
//!
//! A ring buffer reservation has a size known to the verifier, so there are four; a head takes the
//! smallest that holds it.

use core::mem::MaybeUninit;

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_skb_load_bytes, programs::SkBuffContext};
use tracer_common::{RecordKind, counter::Counter, head::Head, journey::Journey};

use crate::{count::count, emit, packet::Packet};

#[repr(C)]
struct HeadRecord<const N: usize> {
    header: Head,
    bytes: [u8; N],
}

/// Copies the head of the packet that `journey` was opened for; false when it is lost (and counted).
///
/// Never inlined: what it keeps on the stack is added to its caller's only while it runs.
#[inline(never)]
pub(crate) fn capture(ctx: &SkBuffContext, packet: &Packet, journey: &Journey) -> bool {
    match packet.payload_bytes {
        0..=512 => capture_sized::<512>(ctx, packet, journey),
        513..=1024 => capture_sized::<1024>(ctx, packet, journey),
        1025..=4096 => capture_sized::<4096>(ctx, packet, journey),
        _ => capture_sized::<{ tracer_common::head::MAX_HEAD_BYTES }>(ctx, packet, journey),
    }
}

#[inline(always)]
fn capture_sized<const N: usize>(ctx: &SkBuffContext, packet: &Packet, journey: &Journey) -> bool {
    let Some(mut entry) = emit::reserve::<HeadRecord<N>>(Counter::HeadLost) else {
        return false;
    };
    let record: *mut HeadRecord<N> = MaybeUninit::as_mut_ptr(&mut entry);
    let captured_bytes = bounded::<N>(packet.payload_bytes);
    // SAFETY: `record` is the reserved room, `captured_bytes` is between 1 and N. It is written field
    // by field: a whole structure would be built on the stack first.
    let copied = unsafe {
        let header = &mut (*record).header;
        header.kind = RecordKind::Head as u32;
        header.captured_bytes = captured_bytes;
        header.start_ns = journey.start_ns;
        header.sender_cookie = journey.sender_cookie;
        header.seq = packet.seq;
        header.ack = packet.ack;
        header.payload_bytes = packet.payload_bytes;
        header.message = journey.message;
        header.sent = packet.tuple;
        bpf_skb_load_bytes(
            ctx.as_ptr(),
            packet.payload_offset,
            (&raw mut (*record).bytes).cast(),
            captured_bytes,
        )
    };
    if copied != 0 {
        entry.discard(u64::from(aya_ebpf::bindings::BPF_RB_NO_WAKEUP));
        count(Counter::HeadUnreadable);
        return false;
    }
    entry.submit(emit::wake_flags());
    true
}

/// `bytes`, which is not zero, as a number between 1 and N that the verifier believes to be one.
///
/// The mask gives both bounds by arithmetic: before 6.8 the verifier learns nothing from a
/// comparison with zero (kernel: check_cond_jmp_op), and refuses a copy whose size it thinks may be
/// zero. The black box hides from the compiler what it knows of the value from the match above, or
/// it would leave out what the verifier has to see.
#[inline(always)]
pub(crate) fn bounded<const N: usize>(bytes: u32) -> u32 {
    const { assert!(N.is_power_of_two()) };
    let at_most = core::hint::black_box(bytes).min(N as u32);
    (at_most.wrapping_sub(1) & (N as u32 - 1)) + 1
}
