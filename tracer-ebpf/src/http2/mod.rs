//! Follows HTTP/2 frame boundaries in one direction of a connection, and cuts out the frames that
//! tell of requests and responses. DATA is stepped over and never copied.
//!
//! A connection is known by its preface, or recognised in the middle by what its frames look like.
//! Where the boundary is lost (more frames in one packet than the loop is long, bytes that were
//! not seen) the next fragment says so, and the boundary is looked for again.

mod fragment;
mod frame;
mod upgrade;

use core::ffi::c_void;

use aya_ebpf::{helpers::bpf_loop, macros::map, maps::LruHashMap};
use tracer_common::seq::after;

use crate::{
    first_seen::Sent,
    shared::{Cells, MapValue as _, Shared},
};
pub(crate) use upgrade::switches;

use fragment::Cut;
use frame::{FRAME_HEADER_BYTES, Frame};

/// Sending sides of connections. The least recently used goes when there are more, and is
/// recognised again when it sends.
const MAX_CONNECTIONS: u32 = 65_536;
/// Frames of one packet. A packet of 64 KiB full of smaller ones than real peers send has more.
const MAX_FRAMES: u32 = 512;
/// kernel memory order of `PRI * HTTP/2.0\r\n` (RFC 9113 section 3.4), the rest is `\r\nSM\r\n\r\n`.
const PREFACE: [u8; 16] = *b"PRI * HTTP/2.0\r\n";
const PREFACE_BYTES: u32 = 24;

/// Inside a frame whose bytes are copied.
const COPYING: u8 = 1;
/// The boundary was lost since the last fragment.
const LOST: u8 = 2;
/// The boundary is not known.
const ADRIFT: u8 = 4;
/// No preface was seen.
const RECOGNISED: u8 = 8;

/// Where one direction of a connection is.
///
/// The packets of one socket leave one after the other, under its lock. Those of a socket on another node
/// may arrive on two CPUs at once, and an element may be given to another connection while its cells
/// are accessed. The boundary of the frames is then lost, which shows as bytes that are no frame or
/// that were not seen, and is found again; no offset is used but within the payload of its packet.
#[repr(C)]
struct Place {
    /// Where the next frame header starts.
    next_seq: Shared<u32>,
    /// Everything before was looked at.
    seen_seq: Shared<u32>,
    /// The part of a frame header that the packet before ended with.
    header: [Shared<u8>; FRAME_HEADER_BYTES],
    header_bytes: Shared<u8>,
    flags: Shared<u8>,
    /// Whether HEADERS start in the packet that is walked over.
    has_headers: Shared<u8>,
    /// Where the next frame starts in that packet. Of what is in a map the verifier knows nothing, so that
    /// one turn of the loop looks like any other to it.
    offset: Shared<u32>,
    /// Where the frames to be copied start; [`NO_RUN`] where there are none.
    run: Shared<u32>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for Place {}

impl Place {
    /// A place from which the next frame header starts at `next_seq`.
    const fn new(next_seq: u32, seen_seq: u32, flags: u8) -> Self {
        Self {
            next_seq: Shared::new(next_seq),
            seen_seq: Shared::new(seen_seq),
            header: [const { Shared::new(0) }; FRAME_HEADER_BYTES],
            header_bytes: Shared::new(0),
            flags: Shared::new(flags),
            has_headers: Shared::new(0),
            offset: Shared::new(0),
            run: Shared::new(NO_RUN),
        }
    }

    #[inline(always)]
    fn is(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline(always)]
    fn header(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut header = [0; FRAME_HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(&self.header) {
            *to = from.get();
        }
        header
    }
}

#[map]
static HTTP2: LruHashMap<u64, Place> = LruHashMap::with_max_entries(MAX_CONNECTIONS, 0);

/// Whether this side of the connection is known to send HTTP/2.
#[inline(always)]
pub(crate) fn is_known(sender_cookie: u64) -> bool {
    HTTP2.value(sender_cookie).is_some()
}

/// This side begins anew, with another connection.
#[inline(always)]
pub(crate) fn forget(sender_cookie: u64) {
    let _ = HTTP2.remove(sender_cookie);
}

/// Begins to follow a connection whose packet starts with the preface, or looks like frames.
#[inline(always)]
pub(crate) fn recognise(sent: &Sent<'_>) -> bool {
    let packet = sent.packet;
    let (flags, next_seq) = if starts_with_preface(sent) {
        (0, packet.seq.wrapping_add(PREFACE_BYTES))
    } else if frame::looks_like_frames(sent.ctx, packet) {
        (RECOGNISED | LOST, packet.seq)
    } else {
        return false;
    };
    let place = Place::new(next_seq, packet.seq, flags);
    HTTP2.insert(sent.sender_cookie, place, 0).is_ok()
}

#[inline(always)]
fn starts_with_preface(sent: &Sent<'_>) -> bool {
    sent.packet.payload_bytes >= PREFACE_BYTES
        && sent
            .ctx
            .load::<[u8; 16]>(sent.packet.payload_offset as usize)
            .is_ok_and(|first| u128::from_ne_bytes(first) == u128::from_ne_bytes(PREFACE))
}

/// Walks over the frames of a packet; whether HEADERS start in it, or may have when it was first sent.
///
/// Never inlined: what it keeps on the stack is added to its caller's only while it runs.
#[inline(never)]
pub(crate) fn follow(sent: &Sent<'_>) -> bool {
    let Some(place) = HTTP2.value(sent.sender_cookie) else {
        return false;
    };
    let end_seq = sent.packet.seq.wrapping_add(sent.packet.payload_bytes);
    if !after(end_seq, place.seen_seq.get()) {
        // Sent again: its frames are known, and user space knows whether HEADERS are among them.
        return true;
    }
    let Some(begin) = begin(sent, place) else {
        return false;
    };
    let Some(begin) = rest_of_frame(sent, place, begin) else {
        return false;
    };
    walk(sent, place, begin)
}

/// The offset of the first byte that is new; `None` where the boundary is not to be found in the
/// packet.
#[inline(always)]
fn begin(sent: &Sent<'_>, place: &Place) -> Option<u32> {
    let packet = sent.packet;
    let end_seq = packet.seq.wrapping_add(packet.payload_bytes);
    let seen_seq = place.seen_seq.get();
    if after(packet.seq, seen_seq) {
        place.flags.set_bits(ADRIFT | LOST);
    }
    place.seen_seq.set(end_seq);
    if place.is(ADRIFT) {
        if !frame::looks_like_frames(sent.ctx, packet) {
            return None;
        }
        place.flags.clear_bits(ADRIFT | COPYING);
        place.header_bytes.set(0);
        place.next_seq.set(packet.seq);
        return Some(0);
    }
    Some(seen_seq.wrapping_sub(packet.seq))
}

/// Steps over, or copies, what belongs to a frame that began before; the offset after it.
#[inline(always)]
fn rest_of_frame(sent: &Sent<'_>, place: &Place, begin: u32) -> Option<u32> {
    let packet = sent.packet;
    let begin_seq = packet.seq.wrapping_add(begin);
    let next_seq = place.next_seq.get();
    if place.header_bytes.get() != 0 || !after(next_seq, begin_seq) {
        return Some(begin);
    }
    let rest = next_seq.wrapping_sub(begin_seq);
    let here = packet.payload_bytes.saturating_sub(begin);
    if place.is(COPYING) {
        let cut = Cut {
            begin,
            end: begin + if rest < here { rest } else { here },
            seq: begin_seq,
            has_header: false,
        };
        fragment::send(sent, &cut, place, false);
    }
    if rest >= here {
        if rest == here {
            place.flags.clear_bits(COPYING);
        }
        return None;
    }
    place.flags.clear_bits(COPYING);
    Some(begin + rest)
}

/// What the loop hands to its callback, which must be on the stack.
struct Walk<'a> {
    sent: &'a Sent<'a>,
    place: &'a Place,
}

const NO_RUN: u32 = u32::MAX;
const GO_ON: u64 = 0;
const STOP: u64 = 1;

/// From frame to frame. Frames that are copied and follow each other go in one fragment.
#[inline(always)]
fn walk(sent: &Sent<'_>, place: &Place, begin: u32) -> bool {
    let packet = sent.packet;
    place.offset.set(begin);
    place.run.set(NO_RUN);
    place.has_headers.set(0);
    if place.header_bytes.get() != 0 {
        let mut offset = begin;
        match split_header(sent, place, &mut offset) {
            Some(is_headers) => place.has_headers.set(is_headers as u8),
            None => return false,
        }
        place.offset.set(offset);
    }
    let mut walk = Walk { sent, place };
    // SAFETY: the callback has the prototype of the helper (kernel 5.17), and `walk` outlives it.
    unsafe {
        bpf_loop(
            MAX_FRAMES,
            step as *mut c_void,
            (&raw mut walk).cast::<c_void>(),
            0,
        )
    };
    let (offset, run) = (place.offset.get(), place.run.get());
    if run != NO_RUN {
        let end = if offset < packet.payload_bytes {
            offset
        } else {
            packet.payload_bytes
        };
        flush(sent, place, run, end);
    }
    if offset < packet.payload_bytes && place.header_bytes.get() == 0 {
        // After the fragment, which tells of a loss before it. Not a frame, or more frames than the loop is long.
        place.flags.set_bits(ADRIFT | LOST);
    }
    place.next_seq.set(packet.seq.wrapping_add(offset));
    place.has_headers.get() != 0
}

/// One frame: the callback of `bpf_loop`.
extern "C" fn step(_index: u32, walk: *mut c_void) -> u64 {
    // SAFETY: `walk` above passes its own `Walk`.
    let Walk { sent, place } = unsafe { &*walk.cast::<Walk<'_>>() };
    let packet = sent.packet;
    let offset = place.offset.get();
    if offset >= packet.payload_bytes {
        return STOP;
    }
    let Some(frame) = Frame::at(sent.ctx, packet, offset) else {
        keep_partial_header(sent, place, offset);
        return STOP;
    };
    if !frame.is_possible() {
        return STOP;
    }
    let end = offset + FRAME_HEADER_BYTES as u32 + frame.payload_bytes;
    let is_copied = frame.is_copied();
    let mut run = place.run.get();
    if run != NO_RUN && (!is_copied || end - run > fragment::MAX_BYTES) {
        flush(sent, place, run, offset);
        place.run.set(NO_RUN);
        run = NO_RUN;
    }
    if is_copied {
        if run == NO_RUN {
            place.run.set(offset);
        }
        place.has_headers.set_bits(frame.is_headers() as u8);
        if end > packet.payload_bytes {
            place.flags.set_bits(COPYING);
        }
    }
    place.offset.set(end);
    GO_ON
}

#[inline(always)]
fn flush(sent: &Sent<'_>, place: &Place, begin: u32, end: u32) {
    let cut = Cut {
        begin,
        end,
        seq: sent.packet.seq.wrapping_add(begin),
        has_header: false,
    };
    fragment::send(sent, &cut, place, true);
}

/// A frame header that began in the packet before: completes it and takes its frame. Whether that
/// is HEADERS; `None` where the packet is over before the frame is.
#[inline(always)]
fn split_header(sent: &Sent<'_>, place: &Place, offset: &mut u32) -> Option<bool> {
    let packet = sent.packet;
    let had = place.header_bytes.get();
    let header_seq = packet
        .seq
        .wrapping_add(*offset)
        .wrapping_sub(u32::from(had));
    for index in 0..FRAME_HEADER_BYTES {
        if index as u8 >= place.header_bytes.get() {
            if *offset >= packet.payload_bytes {
                return None;
            }
            let at = (packet.payload_offset + *offset) as usize;
            place.header[index].set(sent.ctx.load::<u8>(at).ok()?);
            place.header_bytes.set(index as u8 + 1);
            *offset += 1;
        }
    }
    place.header_bytes.set(0);
    let frame = Frame::parse(place.header());
    if !frame.is_possible() {
        place.flags.set_bits(ADRIFT | LOST);
        return None;
    }
    let end = *offset + frame.payload_bytes;
    let here = if end < packet.payload_bytes {
        end
    } else {
        packet.payload_bytes
    };
    if frame.is_copied() {
        let cut = Cut {
            begin: *offset,
            end: here,
            seq: header_seq,
            has_header: true,
        };
        fragment::send(sent, &cut, place, true);
        if end > packet.payload_bytes {
            place.flags.set_bits(COPYING);
        }
    }
    place.next_seq.set(packet.seq.wrapping_add(end));
    *offset = end;
    Some(frame.is_headers())
}

/// Fewer bytes are left than a frame header has.
#[inline(always)]
fn keep_partial_header(sent: &Sent<'_>, place: &Place, offset: u32) {
    let packet = sent.packet;
    for index in 0..FRAME_HEADER_BYTES - 1 {
        let at = offset + index as u32;
        if at < packet.payload_bytes
            && let Ok(byte) = sent.ctx.load::<u8>((packet.payload_offset + at) as usize)
        {
            place.header[index].set(byte);
            place.header_bytes.set(index as u8 + 1);
        }
    }
}
