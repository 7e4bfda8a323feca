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
#[inline(always)]
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
    // SAFETY: `record` is the reserved room, `captured_bytes` is between 1 and N.
    let copied = unsafe {
        (&raw mut (*record).header).write(Head {
            kind: RecordKind::Head as u32,
            captured_bytes,
            start_ns: journey.start_ns,
            sender_cookie: journey.sender_cookie,
            seq: packet.seq,
            ack: packet.ack,
            payload_bytes: packet.payload_bytes,
            message: journey.message,
            padding: [0; 3],
            sent: packet.tuple,
            padding_end: [0; 4],
        });
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

/// `bytes` as a number between 1 and N that the verifier believes to be one.
///
/// The black box hides from the compiler what it knows of the value from the match above, or it
/// would leave out the comparisons that the verifier has to see.
#[inline(always)]
fn bounded<const N: usize>(bytes: u32) -> u32 {
    core::hint::black_box(bytes).clamp(1, N as u32)
}
