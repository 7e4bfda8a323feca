//! Heads of requests that did not end with their packet.
//!
//! A client may write a head in pieces. The rest is copied until the 16 KiB of a head are full, the
//! head ends with a packet, or another head starts. Where the head had ended within its packet and a
//! body goes on, some of the body is copied too; user space, which finds the end, lets it go.

use aya_ebpf::{macros::map, maps::LruHashMap};
use tracer_common::head::MAX_HEAD_BYTES;

use crate::{
    first_seen::FirstSeen,
    head::{self, Piece},
    shared::{Cells, MapValue as _, Shared},
    socket::{PARTIAL as IN_PIECES, Socket},
};

/// Sockets with such a head. The least recently used goes when there are more: its head stays cut.
const MAX_SOCKETS: u32 = 16_384;
const BLANK_LINE: u32 = u32::from_ne_bytes(*b"\r\n\r\n");

#[repr(C)]
struct Partial {
    /// Where the next piece starts.
    next_seq: Shared<u32>,
    /// How much of it may be copied.
    left_bytes: Shared<u32>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for Partial {}

/// By the sender's cookie. The packets of one socket leave one after the other, under its lock. Those of
/// a socket on another node may arrive on two CPUs at once, and an element may be given to another
/// socket while its cells are accessed: a head then lacks a piece, or has one of a body.
#[map]
static PARTIAL: LruHashMap<u64, Partial> = LruHashMap::with_max_entries(MAX_SOCKETS, 0);

/// The head of a request has been copied. Remembers the socket if the head may go on.
#[inline(always)]
pub(crate) fn begin(seen: &FirstSeen<'_>, socket: &Socket) {
    let packet = seen.packet;
    if packet.payload_bytes >= MAX_HEAD_BYTES as u32 || ends_with_blank_line(seen) {
        if socket.is(IN_PIECES) {
            socket.flags.clear_bits(IN_PIECES);
            let _ = PARTIAL.remove(seen.sender_cookie);
        }
        return;
    }
    socket.flags.set_bits(IN_PIECES);
    let partial = Partial {
        next_seq: Shared::new(packet.seq.wrapping_add(packet.payload_bytes)),
        left_bytes: Shared::new(MAX_HEAD_BYTES as u32 - packet.payload_bytes),
    };
    // A failure leaves a head that is cut, and says so.
    let _ = PARTIAL.insert(seen.sender_cookie, partial, 0);
}

/// Copies the next piece of a head; whether this packet was looked at as one.
#[inline(always)]
pub(crate) fn go_on(seen: &FirstSeen<'_>) -> bool {
    let Some(partial) = PARTIAL.value(seen.sender_cookie) else {
        return false;
    };
    let packet = seen.packet;
    if partial.next_seq.get() != packet.seq {
        // Sent again, or not seen: the head stays as it is.
        return true;
    }
    head::send(seen, Piece::Continued);
    let left_bytes = partial.left_bytes.get();
    if packet.payload_bytes >= left_bytes || ends_with_blank_line(seen) {
        let _ = PARTIAL.remove(seen.sender_cookie);
        return true;
    }
    let next_seq = packet.seq.wrapping_add(packet.payload_bytes);
    partial.next_seq.set(next_seq);
    partial.left_bytes.set(left_bytes - packet.payload_bytes);
    true
}

/// The socket begins anew.
#[inline(always)]
pub(crate) fn forget(sender_cookie: u64) {
    let _ = PARTIAL.remove(sender_cookie);
}

#[inline(always)]
fn ends_with_blank_line(seen: &FirstSeen<'_>) -> bool {
    let packet = seen.packet;
    let end = packet.payload_offset + packet.payload_bytes;
    packet.payload_bytes >= 4
        && seen
            .ctx
            .load::<u32>((end - 4) as usize)
            .is_ok_and(|last| last == BLANK_LINE)
}
