//! Finds where a connection changes from HTTP/1.1 to HTTP/2 (RFC 7540 section 3.2): after the blank
//! line of a `101 Switching Protocols` with `Upgrade: h2c`. Frames follow in the same packet or in
//! the next.
//!
//! The client's side changes with its preface, as every other HTTP/2 connection begins.

use core::ops::ControlFlow;

use aya_ebpf::bindings::__sk_buff;

use super::cursor::{self, FrameCursor};
use crate::{
    bpf_loop::{self, Turn},
    first_seen::{self, FirstSeen, Sighting},
};

/// Bytes of the head that are scanned. Real heads of such a response have some 80.
const MAX_HEAD_BYTES: u32 = 1024;
/// In memory order.
const BLANK_LINE: u32 = u32::from_ne_bytes(*b"\r\n\r\n");
const H2C: u32 = u32::from_ne_bytes(*b"h2c\r");
const SWITCHING: u32 = u32::from_ne_bytes(*b"101 ");
/// `HTTP/1.1 ` is before the status.
const STATUS_OFFSET: u32 = 9;
const WORD_BYTES: u32 = 4;

/// The loop over the bytes of a head.
struct Search<'a> {
    seen: &'a FirstSeen<'a>,
    wanted: u32,
}

/// Begins to follow the connection if the packet is a response that switches to HTTP/2. Whether
/// frames follow the head in the packet.
#[inline(always)]
pub(crate) fn begin_after_101(seen: &mut FirstSeen<'_>) -> bool {
    let (skb, sighting) = seen.as_raw();
    // SAFETY: as `from_raw` needs them.
    unsafe { http2_begin_after_101(skb, sighting) }
}

/// Global: the verifier checks it once ([`first_seen`]).
///
/// # Safety
///
/// As [`first_seen::from_raw`].
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn http2_begin_after_101(skb: *mut __sk_buff, sighting: *mut Sighting) -> bool {
    // SAFETY: by contract.
    unsafe { first_seen::from_raw(skb, sighting, false, |seen| begin(seen)) }
}

#[inline(always)]
fn begin(seen: &FirstSeen<'_>) -> bool {
    if word(seen, STATUS_OFFSET) != SWITCHING {
        return false;
    }
    let (Some(blank_line), Some(h2c)) = (find(seen, BLANK_LINE), find(seen, H2C)) else {
        return false;
    };
    if h2c > blank_line {
        return false;
    }
    let packet = &seen.packet;
    let end = blank_line + WORD_BYTES;
    let next_seq = packet.seq.wrapping_add(end);
    let cursor = FrameCursor::new(next_seq, next_seq, 0);
    cursor::insert(seen.sender_cookie, &cursor) && end < packet.payload_bytes
}

/// The offset of four bytes in the payload.
#[inline(always)]
fn find(seen: &FirstSeen<'_>, wanted: u32) -> Option<u32> {
    let turns = bpf_loop::repeat(MAX_HEAD_BYTES, &Search { seen, wanted });
    let offset = turns.wrapping_sub(1);
    (word(seen, offset) == wanted).then_some(offset)
}

impl Turn for Search<'_> {
    /// Compares the four bytes at `offset`. Ends where they are found, or cannot be read.
    #[inline(always)]
    fn turn(&self, offset: u32) -> ControlFlow<()> {
        let word = word(self.seen, offset);
        if word == 0 || word == self.wanted {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Four bytes of the payload; 0 if it has not so many.
#[inline(always)]
fn word(seen: &FirstSeen<'_>, offset: u32) -> u32 {
    let packet = &seen.packet;
    let end = offset.checked_add(WORD_BYTES);
    if end.is_none_or(|end| end > packet.payload_bytes) {
        return 0;
    }
    seen.ctx
        .load((packet.payload_offset + offset) as usize)
        .unwrap_or(0)
}
