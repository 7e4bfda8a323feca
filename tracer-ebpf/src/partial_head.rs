//! Heads that do not end with their packet: of requests, and of responses whose status is missing.
//!
//! A program may write a head in pieces. The pieces are copied until they have the 16 KiB of a head,
//! until one ends with a blank line, or until another head starts. If the head had ended within its
//! packet and its body goes on, some of the body is copied, too; user space finds the end and
//! discards the rest.

use aya_ebpf::{macros::map, maps::LruHashMap};
use tracer_common::head::MAX_HEAD_BYTES;

use crate::{
    first_seen::FirstSeen,
    head::{self, Piece},
    shared::{Cells, MapValue as _, Shared},
    socket::{PARTIAL_HEAD, Socket},
};

/// Sockets with such a head. The least recently used is removed when there are more: its head stays
/// cut.
const MAX_SOCKETS: u32 = 16_384;
const BLANK_LINE: u32 = u32::from_ne_bytes(*b"\r\n\r\n");

#[repr(C)]
struct PartialHead {
    /// Sequence number of the next piece.
    next_seq: Shared<u32>,
    /// How many bytes may still be copied.
    left_bytes: Shared<u32>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for PartialHead {}

/// By the sender's cookie. The packets of one socket leave one after the other, under the socket's
/// lock. Those of a socket on another node may arrive on two CPUs at the same time, and an element
/// may be given to another socket while its cells are accessed: a head then lacks a piece, or has
/// one of a body.
#[map]
static PARTIAL_HEADS: LruHashMap<u64, PartialHead> = LruHashMap::with_max_entries(MAX_SOCKETS, 0);

/// Remembers the socket of a head that was copied, if the head may go on.
#[inline(always)]
pub(crate) fn begin(seen: &FirstSeen<'_>, socket: &Socket) {
    let packet = &seen.packet;
    if seen.head_bytes() >= MAX_HEAD_BYTES as u32 || ends_with_blank_line(seen) {
        if socket.is(PARTIAL_HEAD) {
            end(seen, socket);
        }
        return;
    }
    socket.flags.set_bits(PARTIAL_HEAD);
    let head = PartialHead {
        next_seq: Shared::new(packet.end_seq()),
        left_bytes: Shared::new(MAX_HEAD_BYTES as u32 - seen.head_bytes()),
    };
    // If this fails, the head stays cut, which user space finds out.
    let _ = PARTIAL_HEADS.insert(seen.sender_cookie, head, 0);
}

/// The head is complete.
#[inline(always)]
pub(crate) fn end(seen: &FirstSeen<'_>, socket: &Socket) {
    socket.flags.clear_bits(PARTIAL_HEAD);
    forget(seen.sender_cookie);
}

/// What [`send_next`] returns if the socket has no head that goes on.
pub(crate) const NONE: u32 = 0;
/// If the packet was the next piece of its head.
pub(crate) const NEXT: u32 = 1;
/// If it was another packet: sent again, or after one that was not seen. The head stays as it is.
pub(crate) const ANOTHER: u32 = 2;

/// Copies the packet if it is the next piece of a head. One of the numbers above.
///
/// Never inlined: the verifier leaves what it knows of the ways to the result.
#[inline(never)]
pub(crate) fn send_next(seen: &FirstSeen<'_>, socket: &Socket, piece: Piece) -> u32 {
    let Some(head) = PARTIAL_HEADS.value(seen.sender_cookie) else {
        return NONE;
    };
    let packet = &seen.packet;
    if head.next_seq.get() != packet.seq {
        return ANOTHER;
    }
    head::send(seen, piece);
    let left_bytes = head.left_bytes.get();
    if packet.payload_bytes >= left_bytes || ends_with_blank_line(seen) {
        end(seen, socket);
        return NEXT;
    }
    head.next_seq.set(packet.end_seq());
    head.left_bytes.set(left_bytes - packet.payload_bytes);
    NEXT
}

/// Forgets the socket's head: the head has ended, or the cookie stands for another connection from
/// now on.
#[inline(always)]
pub(crate) fn forget(sender_cookie: u64) {
    let _ = PARTIAL_HEADS.remove(sender_cookie);
}

/// Whether a packet ends with the end of a head.
#[inline(always)]
pub(crate) fn ends_with_blank_line(seen: &FirstSeen<'_>) -> bool {
    let packet = &seen.packet;
    let end = packet.payload_offset + packet.payload_bytes;
    packet.payload_bytes >= 4
        && seen
            .ctx
            .load::<u32>((end - 4) as usize)
            .is_ok_and(|last| last == BLANK_LINE)
}
