//! Copies pieces of frames to user space.

use core::mem::MaybeUninit;

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_skb_load_bytes};
use tracer_common::{
    RecordKind,
    counter::Counter,
    fragment::{self as record, Fragment, MAX_FRAGMENT_BYTES},
};

use super::{
    cursor::{FrameCursor, LOST, RECOGNISED},
    frame::FRAME_HEADER_BYTES,
};
use crate::{counter::count, first_seen::FirstSeen, head::bounded, ring, shared::copy_tuple};

/// Most bytes of one fragment.
pub(super) const MAX_BYTES: u32 = MAX_FRAGMENT_BYTES as u32;

/// A part of a packet's payload.
pub(super) struct Cut {
    pub(super) begin: u32,
    pub(super) end: u32,
    pub(super) seq: u32,
    /// The frame header is in [`FrameCursor::header`], and precedes the bytes.
    pub(super) has_header: bool,
}

#[repr(C)]
struct FragmentRecord<const N: usize> {
    header: Fragment,
    bytes: [u8; N],
}

/// Sends one. Never inlined: a packet has many, and each would be checked anew.
#[inline(never)]
pub(super) fn send(seen: &FirstSeen<'_>, cut: &Cut, cursor: &FrameCursor, starts_frame: bool) {
    let bytes = cut.end.wrapping_sub(cut.begin);
    let mut flags = 0;
    if starts_frame {
        flags |= record::STARTS_FRAME;
    }
    if cursor.is(LOST) {
        flags |= record::LOST_BEFORE;
    }
    if cursor.is(RECOGNISED) {
        flags |= record::RECOGNISED;
    }
    let is_sent = match bytes {
        0..=256 => send_sized::<256>(seen, cut, cursor, flags),
        257..=2048 => send_sized::<2048>(seen, cut, cursor, flags),
        _ => send_sized::<MAX_FRAGMENT_BYTES>(seen, cut, cursor, flags),
    };
    if is_sent {
        cursor.flags.clear_bits(LOST);
    } else {
        cursor.flags.set_bits(LOST);
    }
}

#[inline(always)]
fn send_sized<const N: usize>(
    seen: &FirstSeen<'_>,
    cut: &Cut,
    cursor: &FrameCursor,
    flags: u8,
) -> bool {
    let Some(mut entry) = ring::reserve::<FragmentRecord<N>>(Counter::FragmentLost) else {
        return false;
    };
    let record: *mut FragmentRecord<N> = MaybeUninit::as_mut_ptr(&mut entry);
    let wanted = cut.end.wrapping_sub(cut.begin);
    let mut flags = flags;
    let mut captured_bytes = wanted;
    if wanted > MAX_BYTES {
        flags |= record::CUT;
        captured_bytes = MAX_BYTES;
    }
    // SAFETY: `record` is reserved for this program until it is submitted, and `bounded` gives at most N.
    // It is written field by field: a whole structure would be built on the stack first.
    let failed = unsafe {
        let header = &raw mut (*record).header;
        (*header).kind = RecordKind::Fragment as u32;
        (*header).captured_bytes = captured_bytes;
        (*header).start_ns = seen.start_ns;
        (*header).sender_cookie = seen.sender_cookie;
        (*header).packet_seq = seen.packet.seq;
        (*header).seq = cut.seq;
        (*header).flags = flags;
        (*header).prefix_bytes = if cut.has_header {
            FRAME_HEADER_BYTES as u8
        } else {
            0
        };
        copy_tuple(&seen.packet.tuple, &raw mut (*header).sent);
        (*header).prefix = [0; 16];
        for (index, byte) in cursor.header.iter().enumerate() {
            (*header).prefix[16 - FRAME_HEADER_BYTES + index] = byte.get();
        }
        if captured_bytes == 0 {
            0
        } else {
            bpf_skb_load_bytes(
                seen.ctx.as_ptr(),
                seen.packet.payload_offset + cut.begin,
                (&raw mut (*record).bytes).cast(),
                bounded::<N>(captured_bytes),
            )
        }
    };
    if failed != 0 {
        entry.discard(ring::NO_WAKEUP);
        count(Counter::HeadUnreadable);
        return false;
    }
    entry.submit(ring::NO_WAKEUP);
    true
}
