//! Copies HTTP/2 frames, or parts of them, to user space.

use tracer_common::{
    RecordKind,
    counter::Counter,
    fragment::{CUT, Fragment, LOST_BEFORE, MAX_FRAGMENT_BYTES, RECOGNISED, STARTS_FRAME},
};

use super::{
    cursor::{self, FrameCursor},
    frame::FRAME_HEADER_BYTES,
};
use crate::{first_seen::FirstSeen, packet_bytes::PacketBytes, shared::copy_tuple};

/// Most bytes of one fragment.
pub(super) const MAX_BYTES: u32 = MAX_FRAGMENT_BYTES as u32;

const PREFIX_BYTES: usize = 16;

/// A part of a packet's payload.
pub(super) struct PayloadRange {
    pub(super) begin: u32,
    pub(super) end: u32,
    /// TCP sequence number of the first byte of the fragment.
    pub(super) seq: u32,
    /// The fragment begins with the frame header in [`FrameCursor::header`], before these bytes.
    pub(super) has_header: bool,
    /// The last frame has more bytes, which are not copied.
    pub(super) is_cut: bool,
}

/// Sends a fragment. Never inlined: a packet has many, and the verifier would check each anew.
#[inline(never)]
pub(super) fn send(
    seen: &FirstSeen<'_>,
    range: &PayloadRange,
    cursor: &FrameCursor,
    starts_frame: bool,
) {
    let mut flags = 0;
    if starts_frame {
        flags |= STARTS_FRAME;
    }
    if cursor.is(cursor::LOST) {
        flags |= LOST_BEFORE;
    }
    if cursor.is(cursor::RECOGNISED) {
        flags |= RECOGNISED;
    }
    if range.is_cut {
        flags |= CUT;
    }
    let is_sent = match range.end.wrapping_sub(range.begin) {
        0..=256 => send_sized::<256>(seen, range, cursor, flags),
        257..=2048 => send_sized::<2048>(seen, range, cursor, flags),
        _ => send_sized::<MAX_FRAGMENT_BYTES>(seen, range, cursor, flags),
    };
    // Without a boundary the next fragment follows a loss, too.
    if is_sent && !cursor.is(cursor::OUT_OF_SYNC) {
        cursor.flags.clear_bits(cursor::LOST);
    } else {
        cursor.flags.set_bits(cursor::LOST);
    }
}

/// Sends an empty fragment: the boundary is lost. What comes next may have the last frames of the
/// connection, without a fragment that could carry the flag.
#[inline(always)]
pub(super) fn send_loss(seen: &FirstSeen<'_>, cursor: &FrameCursor) {
    let range = PayloadRange {
        begin: 0,
        end: 0,
        seq: seen.packet.seq,
        has_header: false,
        is_cut: false,
    };
    send(seen, &range, cursor, false);
}

#[inline(always)]
fn send_sized<const N: usize>(
    seen: &FirstSeen<'_>,
    range: &PayloadRange,
    cursor: &FrameCursor,
    mut flags: u8,
) -> bool {
    let mut captured_bytes = range.end.wrapping_sub(range.begin);
    if captured_bytes > MAX_BYTES {
        flags |= CUT;
        captured_bytes = MAX_BYTES;
    }
    let bytes = PacketBytes {
        ctx: seen.ctx,
        tuple: &seen.packet.tuple,
        offset: seen.packet.payload_offset + range.begin,
        length: captured_bytes,
    };
    bytes.send::<Fragment, N>(Counter::FragmentLost, |header| {
        // SAFETY: `header` is reserved memory. It is written field by field: a whole structure
        // would be built on the stack first.
        unsafe {
            (*header).kind = RecordKind::Fragment as u32;
            (*header).captured_bytes = captured_bytes;
            (*header).start_ns = seen.start_ns;
            (*header).sender_cookie = seen.sender_cookie;
            (*header).packet_seq = seen.packet.seq;
            (*header).seq = range.seq;
            (*header).flags = flags;
            (*header).prefix_bytes = if range.has_header {
                FRAME_HEADER_BYTES as u8
            } else {
                0
            };
            (*header).padding = [0; 2];
            copy_tuple(&seen.packet.tuple, &raw mut (*header).sent);
            // Volatile: the compiler would call a function that writes zeros, which needs more stack
            // than kernel 6.1 has left here.
            let prefix = (&raw mut (*header).prefix).cast::<u8>();
            for index in 0..PREFIX_BYTES - FRAME_HEADER_BYTES {
                prefix.add(index).write_volatile(0);
            }
            for (index, byte) in cursor.header.iter().enumerate() {
                let at = PREFIX_BYTES - FRAME_HEADER_BYTES + index;
                prefix.add(at).write_volatile(byte.get());
            }
        }
    })
}
