//! Walks over the frames of a packet and copies those that user space needs.

use core::ops::ControlFlow;

use aya_ebpf::bindings::__sk_buff;
use tracer_common::seq::after;

use super::{
    cursor::{self, COPYING, FrameCursor, LOST, NO_RUN, OUT_OF_SYNC, RECOGNISED},
    fragment::{self, PayloadRange},
    frame::{self, FRAME_HEADER_BYTES, Frame},
};
use crate::{
    bpf_loop::{self, Turn},
    first_seen::{self, FirstSeen, Sighting},
};

/// Frames of one packet. Only a packet of 64 KiB full of smaller frames than real peers send has
/// more.
const MAX_FRAMES: u32 = 512;
/// In memory order (RFC 9113 section 3.4); `\r\nSM\r\n\r\n` follows.
const PREFACE: [u8; 16] = *b"PRI * HTTP/2.0\r\n";
const PREFACE_BYTES: u32 = 24;

/// Begins to follow a connection if the packet starts with the preface or has the shape of frames;
/// whether it does.
#[inline(always)]
pub(crate) fn recognise(seen: &FirstSeen<'_>) -> bool {
    let packet = &seen.packet;
    let (flags, next_seq) = if starts_with_preface(seen) {
        (0, packet.seq.wrapping_add(PREFACE_BYTES))
    } else if frame::looks_like_frames(seen.ctx, packet) {
        (RECOGNISED | LOST, packet.seq)
    } else {
        return false;
    };
    let cursor = FrameCursor::new(next_seq, packet.seq, flags);
    cursor::insert(seen.sender_cookie, &cursor)
}

#[inline(always)]
fn starts_with_preface(seen: &FirstSeen<'_>) -> bool {
    seen.packet.payload_bytes >= PREFACE_BYTES
        && seen
            .ctx
            .load::<[u8; 16]>(seen.packet.payload_offset as usize)
            .is_ok_and(|first| u128::from_ne_bytes(first) == u128::from_ne_bytes(PREFACE))
}

/// Walks over the frames of a packet. Whether HEADERS start in it; for a packet that is sent again,
/// whether they may.
///
#[inline(always)]
pub(crate) fn follow(seen: &mut FirstSeen<'_>) -> bool {
    let (skb, sighting) = seen.as_raw();
    // SAFETY: as `from_raw` needs them.
    unsafe { http2_follow(skb, sighting) }
}

/// Global: the verifier checks it once ([`first_seen`]).
///
/// # Safety
///
/// As [`first_seen::from_raw`].
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn http2_follow(skb: *mut __sk_buff, sighting: *mut Sighting) -> bool {
    // SAFETY: by contract.
    unsafe { first_seen::from_raw(skb, sighting, false, |seen| walk_packet(seen)) }
}

#[inline(always)]
fn walk_packet(seen: &FirstSeen<'_>) -> bool {
    let Some(cursor) = cursor::find(seen.sender_cookie) else {
        return false;
    };
    let end_seq = seen.packet.end_seq();
    if !after(end_seq, cursor.seen_seq.get()) {
        // Sent again. Its frames were copied before, and user space finds out whether HEADERS are
        // among them.
        return true;
    }
    let Some(begin) = first_new_byte(seen, cursor) else {
        return false;
    };
    let Some(begin) = rest_of_frame(seen, cursor, begin) else {
        return false;
    };
    walk(seen, cursor, begin)
}

/// The offset of the first byte that is new; `None` if the boundary is not found in the packet.
#[inline(always)]
fn first_new_byte(seen: &FirstSeen<'_>, cursor: &FrameCursor) -> Option<u32> {
    let packet = &seen.packet;
    let seen_seq = cursor.seen_seq.get();
    if after(packet.seq, seen_seq) && !cursor.is(OUT_OF_SYNC) {
        lose_boundary(seen, cursor);
    }
    let end_seq = packet.end_seq();
    cursor.seen_seq.set(end_seq);
    if cursor.is(OUT_OF_SYNC) {
        if !frame::looks_like_frames(seen.ctx, packet) {
            return None;
        }
        cursor.flags.clear_bits(OUT_OF_SYNC | COPYING);
        cursor.header_bytes.set(0);
        cursor.next_seq.set(packet.seq);
        return Some(0);
    }
    Some(seen_seq.wrapping_sub(packet.seq))
}

/// Steps over, or copies, the rest of a frame that began in a packet before. The offset after it,
/// or `None` if the frame does not end in this packet, or with it.
#[inline(always)]
fn rest_of_frame(seen: &FirstSeen<'_>, cursor: &FrameCursor, begin: u32) -> Option<u32> {
    let packet = &seen.packet;
    let begin_seq = packet.seq.wrapping_add(begin);
    let next_seq = cursor.next_seq.get();
    if cursor.header_bytes.get() != 0 || !after(next_seq, begin_seq) {
        return Some(begin);
    }
    let rest = next_seq.wrapping_sub(begin_seq);
    let here = packet.payload_bytes.saturating_sub(begin);
    if cursor.is(COPYING) {
        let range = PayloadRange {
            begin,
            end: begin + if rest < here { rest } else { here },
            seq: begin_seq,
            has_header: false,
            is_cut: false,
        };
        fragment::send(seen, &range, cursor, false);
    }
    if rest >= here {
        if rest == here {
            cursor.flags.clear_bits(COPYING);
        }
        return None;
    }
    cursor.flags.clear_bits(COPYING);
    Some(begin + rest)
}

/// Goes from frame to frame. Copied frames that follow each other are one fragment.
#[inline(always)]
fn walk(seen: &FirstSeen<'_>, cursor: &FrameCursor, begin: u32) -> bool {
    let packet = &seen.packet;
    cursor.offset.set(begin);
    cursor.run.set(NO_RUN);
    cursor.has_headers.set(0);
    if cursor.header_bytes.get() != 0 {
        let mut offset = begin;
        match split_header(seen, cursor, &mut offset) {
            Some(is_headers) => cursor.has_headers.set(is_headers as u8),
            None => return false,
        }
        cursor.offset.set(offset);
    }
    bpf_loop::repeat(MAX_FRAMES, &Frames { seen, cursor });
    let offset = cursor.offset.get();
    if cursor.run.get() != NO_RUN {
        send_run(seen, cursor);
    }
    if offset < packet.payload_bytes && cursor.header_bytes.get() == 0 {
        // No frame, or more frames than the loop has turns. Only now: the fragment before clears
        // `LOST`.
        lose_boundary(seen, cursor);
    }
    cursor.next_seq.set(packet.seq.wrapping_add(offset));
    cursor.has_headers.get() != 0
}

/// The next frame header is not where it was expected.
///
/// Never inlined: what it keeps on the stack is added to its caller's only while it runs.
#[inline(never)]
fn lose_boundary(seen: &FirstSeen<'_>, cursor: &FrameCursor) {
    cursor.flags.set_bits(OUT_OF_SYNC | LOST);
    fragment::send_loss(seen, cursor);
}

/// The loop over the frames of a packet.
struct Frames<'a> {
    seen: &'a FirstSeen<'a>,
    cursor: &'a FrameCursor,
}

impl Turn for Frames<'_> {
    /// Goes on to the next frame.
    #[inline(always)]
    fn turn(&self, _index: u32) -> ControlFlow<()> {
        let Self { seen, cursor } = *self;
        let packet = &seen.packet;
        let offset = cursor.offset.get();
        if offset >= packet.payload_bytes {
            return ControlFlow::Break(());
        }
        let Some(frame) = Frame::at(seen.ctx, packet, offset) else {
            keep_partial_header(seen, cursor, offset);
            return ControlFlow::Break(());
        };
        if !frame.is_possible() {
            return ControlFlow::Break(());
        }
        let end = offset + frame.frame_bytes();
        let copied_bytes = frame.copied_bytes();
        let copied_end = offset + copied_bytes;
        let mut run = cursor.run.get();
        // The bytes of a run are contiguous: it ends at the latest with a header of DATA.
        let joins_run = copied_bytes != 0
            && cursor.run_end.get() == offset
            && copied_end.wrapping_sub(run) <= fragment::MAX_BYTES;
        if run != NO_RUN && !joins_run {
            send_run(seen, cursor);
            cursor.run.set(NO_RUN);
            run = NO_RUN;
        }
        if copied_bytes != 0 {
            if run == NO_RUN {
                cursor.run.set(offset);
            }
            cursor.run_end.set(copied_end);
            cursor.has_headers.set_bits(frame.is_headers() as u8);
            if copied_end == end && end > packet.payload_bytes {
                cursor.flags.set_bits(COPYING);
            }
        }
        cursor.offset.set(end);
        ControlFlow::Continue(())
    }
}

/// Sends the frames from [`FrameCursor::run`] on: whole frames, or frames of which the last goes on
/// in the next packet or is DATA.
#[inline(always)]
fn send_run(seen: &FirstSeen<'_>, cursor: &FrameCursor) {
    let packet = &seen.packet;
    let (begin, end) = (cursor.run.get(), cursor.run_end.get());
    let range = PayloadRange {
        begin,
        end: if end < packet.payload_bytes {
            end
        } else {
            packet.payload_bytes
        },
        seq: packet.seq.wrapping_add(begin),
        has_header: false,
        // The copied part of whole frames ends where the next frame starts.
        is_cut: end != cursor.offset.get(),
    };
    fragment::send(seen, &range, cursor, true);
}

/// Completes a frame header that began in the packet before, and steps over or copies its frame.
/// Whether that is HEADERS; `None` if the packet ends before the header does.
#[inline(always)]
fn split_header(seen: &FirstSeen<'_>, cursor: &FrameCursor, offset: &mut u32) -> Option<bool> {
    let packet = &seen.packet;
    let had = cursor.header_bytes.get();
    let header_seq = packet
        .seq
        .wrapping_add(*offset)
        .wrapping_sub(u32::from(had));
    for index in 0..FRAME_HEADER_BYTES {
        if index as u8 >= cursor.header_bytes.get() {
            if *offset >= packet.payload_bytes {
                return None;
            }
            let at = (packet.payload_offset + *offset) as usize;
            cursor.header[index].set(seen.ctx.load::<u8>(at).ok()?);
            cursor.header_bytes.set(index as u8 + 1);
            *offset += 1;
        }
    }
    cursor.header_bytes.set(0);
    let frame = Frame::parse(cursor.header());
    if !frame.is_possible() {
        lose_boundary(seen, cursor);
        return None;
    }
    let end = *offset + frame.payload_bytes;
    let copied_bytes = frame.copied_bytes();
    if copied_bytes != 0 {
        let is_whole = copied_bytes == frame.frame_bytes();
        let copied_end = *offset + copied_bytes - FRAME_HEADER_BYTES as u32;
        let range = PayloadRange {
            begin: *offset,
            end: if copied_end < packet.payload_bytes {
                copied_end
            } else {
                packet.payload_bytes
            },
            seq: header_seq,
            has_header: true,
            is_cut: !is_whole,
        };
        fragment::send(seen, &range, cursor, true);
        if is_whole && end > packet.payload_bytes {
            cursor.flags.set_bits(COPYING);
        }
    }
    cursor.next_seq.set(packet.seq.wrapping_add(end));
    *offset = end;
    Some(frame.is_headers())
}

/// Keeps the last bytes of a packet, which are fewer than a frame header has.
#[inline(always)]
fn keep_partial_header(seen: &FirstSeen<'_>, cursor: &FrameCursor, offset: u32) {
    let packet = &seen.packet;
    for index in 0..FRAME_HEADER_BYTES - 1 {
        let at = offset + index as u32;
        if at < packet.payload_bytes
            && let Ok(byte) = seen.ctx.load::<u8>((packet.payload_offset + at) as usize)
        {
            cursor.header[index].set(byte);
            cursor.header_bytes.set(index as u8 + 1);
        }
    }
}
