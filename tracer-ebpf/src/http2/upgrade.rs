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
const STATUS_BYTES: u32 = 4;

/// The loop over the bytes of a head.
struct Scan<'a> {
    seen: &'a FirstSeen<'a>,
    /// Where the head ends; 0 while that is not found.
    end: u32,
    is_h2c: bool,
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
    let packet = &seen.packet;
    if packet.payload_bytes < STATUS_OFFSET + STATUS_BYTES || word(seen, STATUS_OFFSET) != SWITCHING
    {
        return false;
    }
    let mut scan = Scan {
        seen,
        end: 0,
        is_h2c: false,
    };
    bpf_loop::repeat(MAX_HEAD_BYTES, &mut scan);
    if scan.end == 0 || !scan.is_h2c {
        return false;
    }
    let next_seq = packet.seq.wrapping_add(scan.end);
    let cursor = FrameCursor::new(next_seq, next_seq, 0);
    cursor::insert(seen.sender_cookie, &cursor) && scan.end < packet.payload_bytes
}

impl Turn for Scan<'_> {
    /// Compares the four bytes at `offset`.
    #[inline(always)]
    fn turn(&mut self, offset: u32) -> ControlFlow<()> {
        if offset + 4 > self.seen.packet.payload_bytes {
            return ControlFlow::Break(());
        }
        match word(self.seen, offset) {
            BLANK_LINE => {
                self.end = offset + 4;
                return ControlFlow::Break(());
            }
            H2C => self.is_h2c = true,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Four bytes of the payload; 0 if they cannot be read.
#[inline(always)]
fn word(seen: &FirstSeen<'_>, offset: u32) -> u32 {
    let at = seen.packet.payload_offset + offset;
    seen.ctx.load(at as usize).unwrap_or(0)
}
