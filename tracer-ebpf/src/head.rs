//! Copies the first bytes of a head to user space.
//!
//! A ring buffer reservation has a size known to the verifier, so there are four; a head takes the
//! smallest that holds it.

use core::mem::MaybeUninit;

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_skb_load_bytes};
use tracer_common::{
    RecordKind,
    counter::Counter,
    head::{Head, MAX_HEAD_BYTES},
    message::Message,
};

use crate::{counter::count, first_seen::FirstSeen, ring, shared::copy_tuple};

#[repr(C)]
struct HeadRecord<const N: usize> {
    header: Head,
    bytes: [u8; N],
}

/// What is copied.
#[derive(Clone, Copy)]
pub(crate) enum Piece {
    Request,
    Response,
    /// What follows a request's head that did not end with its packet.
    Continued,
}

/// Copies the payload of a packet; false when it is lost (and counted).
///
/// Never inlined: what it keeps on the stack is added to its caller's only while it runs.
#[inline(never)]
pub(crate) fn capture(seen: &FirstSeen<'_>, piece: Piece) -> bool {
    match seen.packet.payload_bytes {
        0..=512 => capture_sized::<512>(seen, piece),
        513..=1024 => capture_sized::<1024>(seen, piece),
        1025..=4096 => capture_sized::<4096>(seen, piece),
        _ => capture_sized::<MAX_HEAD_BYTES>(seen, piece),
    }
}

#[inline(always)]
fn capture_sized<const N: usize>(seen: &FirstSeen<'_>, piece: Piece) -> bool {
    let Some(mut entry) = ring::reserve::<HeadRecord<N>>(Counter::HeadLost) else {
        return false;
    };
    let record: *mut HeadRecord<N> = MaybeUninit::as_mut_ptr(&mut entry);
    let packet = seen.packet;
    let captured_bytes = bounded::<N>(packet.payload_bytes);
    let message = match piece {
        Piece::Response => Message::Response,
        Piece::Request | Piece::Continued => Message::Request,
    };
    // SAFETY: `record` is reserved for this program until it is submitted, and `captured_bytes` is
    // between 1 and N. It is written field by field: a whole structure would be built on the stack first.
    let copied = unsafe {
        let header = &raw mut (*record).header;
        (*header).kind = RecordKind::Head as u32;
        (*header).captured_bytes = captured_bytes;
        (*header).start_ns = seen.start_ns;
        (*header).sender_cookie = seen.sender_cookie;
        (*header).seq = packet.seq;
        (*header).ack = packet.ack;
        (*header).payload_bytes = packet.payload_bytes;
        (*header).message = message as u8;
        (*header).continues = matches!(piece, Piece::Continued) as u8;
        copy_tuple(&packet.tuple, &raw mut (*header).sent);
        bpf_skb_load_bytes(
            seen.ctx.as_ptr(),
            packet.payload_offset,
            (&raw mut (*record).bytes).cast(),
            captured_bytes,
        )
    };
    if copied != 0 {
        entry.discard(ring::NO_WAKEUP);
        count(Counter::HeadUnreadable);
        return false;
    }
    entry.submit(ring::NO_WAKEUP);
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
