//! Where a connection changes from HTTP/1.1 to HTTP/2 (RFC 7540 section 3.2): after the blank line
//! of a `101 Switching Protocols` that says `Upgrade: h2c`, in the same packet or in the next.
//!
//! The client's side changes with its preface, as every other HTTP/2 connection begins.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_loop;

use super::cursor::{self, FrameCursor};
use crate::first_seen::FirstSeen;

/// Bytes looked at: real heads of such a response have some 80.
const MAX_HEAD_BYTES: u32 = 1024;
/// kernel memory order.
const BLANK_LINE: u32 = u32::from_ne_bytes(*b"\r\n\r\n");
const H2C: u32 = u32::from_ne_bytes(*b"h2c\r");
/// `HTTP/1.1 ` is before it.
const STATUS_OFFSET: u32 = 9;
const SWITCHING: u32 = u32::from_ne_bytes(*b"101 ");
const STATUS_BYTES: u32 = 4;

struct Scan<'a> {
    seen: &'a FirstSeen<'a>,
    /// Where the head ends; 0 as long as that was not seen.
    end: u32,
    is_h2c: bool,
}

const GO_ON: u64 = 0;
const STOP: u64 = 1;

/// Whether more follows the head in this packet, a response's, which switches to HTTP/2. Begins to
/// follow the connection, also where nothing follows yet.
///
/// Never inlined: what it keeps on the stack is added to its caller's only while it runs.
#[inline(never)]
pub(crate) fn switches(seen: &FirstSeen<'_>) -> bool {
    let packet = seen.packet;
    if packet.payload_bytes < STATUS_OFFSET + STATUS_BYTES || word(seen, STATUS_OFFSET) != SWITCHING
    {
        return false;
    }
    let mut scan = Scan {
        seen,
        end: 0,
        is_h2c: false,
    };
    // SAFETY: the callback has the prototype of the helper (kernel 5.17), and `scan` outlives it.
    unsafe {
        bpf_loop(
            MAX_HEAD_BYTES,
            look as *mut c_void,
            (&raw mut scan).cast::<c_void>(),
            0,
        )
    };
    if scan.end == 0 || !scan.is_h2c {
        return false;
    }
    let next_seq = packet.seq.wrapping_add(scan.end);
    let cursor = FrameCursor::new(next_seq, next_seq, 0);
    cursor::insert(seen.sender_cookie, &cursor) && scan.end < packet.payload_bytes
}

/// One byte: the callback of `bpf_loop`.
extern "C" fn look(offset: u32, scan: *mut c_void) -> u64 {
    // SAFETY: `switches` above passes its own `Scan`, and nobody else holds it.
    let scan = unsafe { &mut *scan.cast::<Scan<'_>>() };
    if offset + 4 > scan.seen.packet.payload_bytes {
        return STOP;
    }
    match word(scan.seen, offset) {
        BLANK_LINE => {
            scan.end = offset + 4;
            STOP
        }
        H2C => {
            scan.is_h2c = true;
            GO_ON
        }
        _ => GO_ON,
    }
}

/// Four bytes of the payload; 0 where they cannot be read.
#[inline(always)]
fn word(seen: &FirstSeen<'_>, offset: u32) -> u32 {
    let at = seen.packet.payload_offset + offset;
    seen.ctx.load(at as usize).unwrap_or(0)
}
