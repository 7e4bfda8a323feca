//! Scans the head of an HTTP/1 request for trace headers.
//!
//! In: the packet in which a request starts. Out: whether the request is followed. It is, unless
//! the scan is certain that its trace is not sampled: then user space would make no spans of it.
//! The scan is certain only if
//! - the whole head is within the packet and within its first [`MAX_BYTES`],
//! - no other request may follow in the packet,
//! - at most one header carries a trace context, and
//! - that one is a `traceparent` of version 00 (W3C Trace Context, section 3.2), or a `b3` of `0`.
//!
//! Every other format is unclear here: the request is followed, and user space reads the head.

use core::ops::ControlFlow;

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_skb_load_bytes, macros::map, maps::PerCpuArray,
};

use crate::{
    bpf_loop::{self, Turn},
    first_seen::FirstSeen,
    http1,
    packet_bytes::bounded,
    shared::{Cells, MapValue as _, Shared},
};

/// Bytes of a head that are scanned. A request with a longer head is followed.
const MAX_BYTES: usize = 1024;
const WORD_BYTES: u32 = 8;
/// Room for a word that starts at the last byte.
const ROOM_BYTES: usize = MAX_BYTES + WORD_BYTES as usize;

/// Words scanned in one turn of the loop, which is a call. Most lines are shorter.
const TURN_WORDS: u32 = 4;
/// A head of [`MAX_BYTES`] with more lines than this is followed, because its end is not found.
const MAX_TURNS: u32 = 256;

/// The first four letters of a header's name, in memory order. Names are compared in lower case.
const TRAC: u32 = u32::from_ne_bytes(*b"trac");
const X_B3: u32 = u32::from_ne_bytes(*b"x-b3");
const UBER: u32 = u32::from_ne_bytes(*b"uber");
/// Of `Upgrade`: the connection may go on in another protocol.
const UPGR: u32 = u32::from_ne_bytes(*b"upgr");
const B3: u32 = u32::from_ne_bytes(*b"b3:\0");
/// Masks the three letters of [`B3`].
const THREE_BYTES: u32 = u32::from_ne_bytes(*b"\xff\xff\xff\0");

/// `traceparent:` in two parts. The bit that makes a letter lower case is set in a colon, too.
const TRACEPAR: u64 = u64::from_ne_bytes(*b"tracepar");
const ENT: u32 = u32::from_ne_bytes(*b"ent:");
const TRACEPARENT_NAME_BYTES: u32 = 12;
/// Offsets in a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, two digits.
const PARENT_DASH: u32 = 35;
const FLAGS_DASH: u32 = 52;
const FLAGS: u32 = 53;
const TRACEPARENT_BYTES: u32 = 55;

const B3_NAME_BYTES: u32 = 3;

/// A head, and what the scan has found in it.
#[repr(C)]
struct Scan {
    /// 1 while a program owns the scan, else 0.
    is_used: Shared<u64>,
    /// Bytes copied of the head.
    length: Shared<u32>,
    /// Where the next turn begins.
    offset: Shared<u32>,
    /// Where the head ends; 0 while that is not found.
    end: Shared<u32>,
    /// Number of `traceparent` headers of version 00.
    contexts: Shared<u32>,
    /// 1 if one of them is sampled.
    is_sampled: Shared<u32>,
    /// 1 if the caller has decided against a trace.
    is_denied: Shared<u32>,
    /// 1 if user space has to read the head.
    is_unclear: Shared<u32>,
    padding: Shared<u32>,
    bytes: Shared<[u8; ROOM_BYTES]>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for Scan {}

/// Only this CPU accesses its scan. A program can be interrupted by another that scans a head, and
/// on a preemptible kernel it can be suspended while a program of another process runs. The program
/// that has exchanged `is_used` owns the rest until it stores 0; every other one follows its
/// request without a scan.
#[map]
static SCAN: PerCpuArray<Scan> = PerCpuArray::with_max_entries(1, 0);

/// Whether the request is followed. `without_context`: also if it carries no trace context.
///
/// Never inlined: what it keeps on the stack is added to its caller's only while it runs.
#[inline(never)]
pub(crate) fn is_followed(seen: &FirstSeen<'_>, without_context: bool) -> bool {
    let Some(scan) = SCAN.value(0) else {
        return true;
    };
    if !scan.is_used.exchange(0, 1) {
        return true;
    }
    let is_followed = scan.is_followed(seen, without_context);
    scan.is_used.set(0);
    is_followed
}

impl Scan {
    #[inline(always)]
    fn is_followed(&'static self, seen: &FirstSeen<'_>, without_context: bool) -> bool {
        let packet = seen.packet;
        let length = bounded::<MAX_BYTES>(packet.payload_bytes);
        // SAFETY: `length` is at most the size of the array.
        let failed = unsafe {
            bpf_skb_load_bytes(
                seen.ctx.as_ptr(),
                packet.payload_offset,
                self.bytes.as_ptr().cast(),
                length,
            )
        };
        if failed != 0 {
            return true;
        }
        self.length.set(length);
        self.offset.set(0);
        self.end.set(0);
        self.contexts.set(0);
        self.is_sampled.set(0);
        self.is_denied.set(0);
        self.is_unclear.set(0);
        bpf_loop::repeat(MAX_TURNS, &mut Lines { scan: self });
        let end = self.end.get();
        if end == 0
            || self.is_unclear.get() != 0
            || self.another_may_follow(end, packet.payload_bytes)
        {
            return true;
        }
        match self.contexts.get() {
            0 => without_context && self.is_denied.get() == 0,
            1 => self.is_sampled.get() != 0,
            _ => true,
        }
    }

    /// Whether another request follows the head in the same packet, or may follow.
    #[inline(always)]
    fn another_may_follow(&self, end: u32, payload_bytes: u32) -> bool {
        if end >= payload_bytes {
            return false;
        }
        let first = u64::from_be(self.word(end));
        end + WORD_BYTES > self.length.get() || http1::message(first).is_some()
    }

    /// The line that starts at `at`: a header, or the blank line that ends the head.
    #[inline(always)]
    fn line(&self, at: u32) -> ControlFlow<()> {
        if at + 2 > self.length.get() {
            return ControlFlow::Break(());
        }
        let word = self.word(at);
        if word as u8 == b'\n' {
            self.end.set(at + 1);
            return ControlFlow::Break(());
        }
        if word as u16 == u16::from_ne_bytes(*b"\r\n") {
            self.end.set(at + 2);
            return ControlFlow::Break(());
        }
        let name = word | 0x2020_2020_2020_2020;
        match name as u32 {
            TRAC if name == TRACEPAR => self.traceparent(at),
            X_B3 | UBER | UPGR => self.is_unclear.set(1),
            other if other & THREE_BYTES == B3 => self.b3(at),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// A header at `at` whose name begins with `tracepar`. The digits of the ids are not checked:
    /// without valid ids there is no trace context, and without one the request is not sampled
    /// either.
    #[inline(always)]
    fn traceparent(&self, at: u32) {
        if self.word(at + 8) as u32 | 0x2020_2020 != ENT {
            self.is_unclear.set(1);
            return;
        }
        let value = self.after_space(at + TRACEPARENT_NAME_BYTES);
        let flags = self.word(value + FLAGS);
        let is_version_00 = value + TRACEPARENT_BYTES < self.length.get()
            && self.word(value) as u32 & THREE_BYTES == u32::from_ne_bytes(*b"00-\0")
            && self.byte(value + PARENT_DASH) == b'-'
            && self.byte(value + FLAGS_DASH) == b'-'
            && is_digit(flags as u8)
            && is_digit((flags >> 8) as u8)
            && is_line_end((flags >> 16) as u8);
        if !is_version_00 {
            self.is_unclear.set(1);
            return;
        }
        self.contexts.set(self.contexts.get() + 1);
        let low_digit = (flags >> 8) as u8;
        // The digit `a` is even, and its code is odd.
        let is_sampled = if low_digit > b'9' {
            low_digit & 1 == 0
        } else {
            low_digit & 1 == 1
        };
        self.is_sampled.set_bits(is_sampled as u32);
    }

    /// The single header of B3 at `at`. Only its `0` is recognised, which carries no trace and asks
    /// for none; the agent marks its own requests with it.
    #[inline(always)]
    fn b3(&self, at: u32) {
        let value = self.after_space(at + B3_NAME_BYTES);
        let word = self.word(value);
        let is_zero =
            value + 1 < self.length.get() && word as u8 == b'0' && is_line_end((word >> 8) as u8);
        if is_zero {
            self.is_denied.set(1);
        } else {
            self.is_unclear.set(1);
        }
    }

    /// Where a value starts after its colon: one space may come before it.
    #[inline(always)]
    fn after_space(&self, at: u32) -> u32 {
        if self.byte(at) == b' ' { at + 1 } else { at }
    }

    /// Eight bytes of the copy; undefined beyond its length.
    #[inline(always)]
    fn word(&self, at: u32) -> u64 {
        // The black box keeps the mask in the code, where the verifier needs to see it.
        let at = core::hint::black_box(at) & (MAX_BYTES as u32 - 1);
        let bytes = self.bytes.as_ptr().cast::<u8>();
        // SAFETY: the word starts at `MAX_BYTES - 1` at most, and there is room for a word more.
        // Only the owner of the scan writes the bytes, before the loop.
        unsafe { bytes.add(at as usize).cast::<u64>().read_unaligned() }
    }

    #[inline(always)]
    fn byte(&self, at: u32) -> u8 {
        self.word(at) as u8
    }
}

/// The loop over the lines of a head.
struct Lines {
    scan: &'static Scan,
}

impl Turn for Lines {
    /// Goes on to the next line, or some words further in a long one.
    #[inline(always)]
    fn turn(&mut self, _index: u32) -> ControlFlow<()> {
        let scan = self.scan;
        let mut offset = scan.offset.get();
        if offset >= scan.length.get() {
            return ControlFlow::Break(());
        }
        let mut word = 0;
        while word < TURN_WORDS {
            let ends = line_feeds(scan.word(offset));
            if ends != 0 {
                offset += lowest_byte(ends) + 1;
                scan.offset.set(offset);
                return scan.line(offset);
            }
            offset += WORD_BYTES;
            word += 1;
        }
        scan.offset.set(offset);
        ControlFlow::Continue(())
    }
}

/// The highest bit of each byte that is a line feed, and no other bit. The first byte is the
/// lowest.
#[inline(always)]
const fn line_feeds(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = word ^ 0x0a0a_0a0a_0a0a_0a0a;
    !(((other & LOW) + LOW) | other | LOW)
}

/// The number of the lowest byte whose highest bit is set; all other bits are zero.
#[inline(always)]
const fn lowest_byte(bits: u64) -> u32 {
    // The lowest bit of byte N shifts the number N to the top.
    const NUMBERS: u64 = 0x0001_0203_0405_0607;
    let lowest = (bits & bits.wrapping_neg()) >> 7;
    (lowest.wrapping_mul(NUMBERS) >> 56) as u32
}

#[inline(always)]
const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// A hexadecimal digit of the kind that the specification allows.
#[inline(always)]
const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}
