//! Whether a request carries a trace context by which anybody would see its spans.
//!
//! In: the packet that a request starts in. Out: yes, no, or, wherever it is not plain, yes: user space
//! reads the head then and decides. Plain is: the whole head is in the packet and in its first
//! [`MAX_BYTES`], at most one of its headers is of those that carry a context, and that is a
//! `traceparent` of the shape that version 00 has (W3C Trace Context, section 3.2).

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_loop, generated::bpf_skb_load_bytes},
    macros::map,
    maps::PerCpuArray,
};

use crate::{
    first_seen::FirstSeen,
    head::bounded,
    http1,
    shared::{Cells, MapValue as _, Shared},
};

/// Bytes of a head that are looked at. A longer one is followed.
const MAX_BYTES: usize = 1024;
/// Room for a word that starts at the last byte.
const ROOM_BYTES: usize = MAX_BYTES + 8;

/// A head, and what was found in it so far. In a map and not on the stack: of what is in a map the
/// verifier knows nothing, so that one turn of the loop looks like any other to it.
#[repr(C)]
struct Scan {
    /// Not zero while a head is looked at.
    is_used: Shared<u64>,
    /// Bytes of the copy.
    length: Shared<u32>,
    /// Everything before was looked at.
    offset: Shared<u32>,
    /// Where the head ends; 0 as long as that was not seen.
    end: Shared<u32>,
    /// Headers of the shape that is known.
    contexts: Shared<u32>,
    is_sampled: Shared<u32>,
    /// The caller has decided against a trace.
    is_denied: Shared<u32>,
    /// Something that user space must look at.
    is_unclear: Shared<u32>,
    padding: Shared<u32>,
    bytes: Shared<[u8; ROOM_BYTES]>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for Scan {}

/// Only this CPU accesses it. A program can be interrupted by another that scans a head, and on a
/// preemptible kernel it can be suspended while a program of another process runs: the program that
/// has exchanged `is_used` owns the rest until it stores 0, and every other one follows its request
/// without a scan.
#[map]
static HEAD: PerCpuArray<Scan> = PerCpuArray::with_max_entries(1, 0);

/// What the loop hands to its callback, which must be on the stack.
struct Turn {
    scan: &'static Scan,
}

const GO_ON: u64 = 0;
const STOP: u64 = 1;
const WORD_BYTES: u32 = 8;
/// Looked at in one turn, which is a call: most lines are shorter.
const STEP_WORDS: u32 = 4;
/// Where a head of [`MAX_BYTES`] has more lines than this leaves room for, its end is not seen.
const MAX_STEPS: u32 = 256;

/// Whether the request is followed. `without_context`: also if it carries none.
///
/// Never inlined: what it keeps on the stack is added to its caller's only while it runs.
#[inline(never)]
pub(crate) fn is_wanted(seen: &FirstSeen<'_>, without_context: bool) -> bool {
    let Some(scan) = HEAD.value(0) else {
        return true;
    };
    if !scan.is_used.exchange(0, 1) {
        return true;
    }
    let is_wanted = look(seen, scan, without_context);
    scan.is_used.set(0);
    is_wanted
}

#[inline(always)]
fn look(seen: &FirstSeen<'_>, scan: &'static Scan, without_context: bool) -> bool {
    let packet = seen.packet;
    let length = bounded::<MAX_BYTES>(packet.payload_bytes);
    // SAFETY: `length` is at most the size of the array.
    let failed = unsafe {
        bpf_skb_load_bytes(
            seen.ctx.as_ptr(),
            packet.payload_offset,
            scan.bytes.as_ptr().cast(),
            length,
        )
    };
    if failed != 0 {
        return true;
    }
    scan.length.set(length);
    scan.offset.set(0);
    scan.end.set(0);
    scan.contexts.set(0);
    scan.is_sampled.set(0);
    scan.is_denied.set(0);
    scan.is_unclear.set(0);
    let mut turn = Turn { scan };
    // SAFETY: the callback has the prototype of the helper (kernel 5.17), and `turn` outlives it.
    unsafe {
        bpf_loop(
            MAX_STEPS,
            step as *mut c_void,
            (&raw mut turn).cast::<c_void>(),
            0,
        )
    };
    let end = scan.end.get();
    if end == 0
        || scan.is_unclear.get() != 0
        || another_follows(scan, end, length, packet.payload_bytes)
    {
        return true;
    }
    match scan.contexts.get() {
        0 => without_context && scan.is_denied.get() == 0,
        1 => scan.is_sampled.get() != 0,
        _ => true,
    }
}

/// Whether a request follows in the same packet, or may.
#[inline(always)]
fn another_follows(scan: &Scan, end: u32, length: u32, payload_bytes: u32) -> bool {
    if end >= payload_bytes {
        return false;
    }
    let first = u64::from_be(scan.word(end));
    end + 8 > length || http1::http1(first).is_some()
}

/// Some words, or fewer bytes up to the end of a line: the callback of `bpf_loop`.
extern "C" fn step(_index: u32, turn: *mut c_void) -> u64 {
    // SAFETY: `look` above passes its own `Turn`.
    let turn = unsafe { &*turn.cast::<Turn>() };
    let scan = turn.scan;
    let mut offset = scan.offset.get();
    if offset >= scan.length.get() {
        return STOP;
    }
    let mut word = 0;
    while word < STEP_WORDS {
        let ends = line_feeds(scan.word(offset));
        if ends != 0 {
            offset += lowest_byte(ends) + 1;
            scan.offset.set(offset);
            return line(scan, offset);
        }
        offset += WORD_BYTES;
        word += 1;
    }
    scan.offset.set(offset);
    GO_ON
}

/// The number of the lowest byte of which the highest bit is set; all other bits are zero.
#[inline(always)]
const fn lowest_byte(bits: u64) -> u32 {
    // One bit at a byte's begin shifts these numbers so that its own is on top.
    const NUMBERS: u64 = 0x0001_0203_0405_0607;
    let lowest = (bits & bits.wrapping_neg()) >> 7;
    (lowest.wrapping_mul(NUMBERS) >> 56) as u32
}

/// The highest bit of each byte that is a line feed, and no other. The lowest byte comes first.
#[inline(always)]
const fn line_feeds(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = word ^ 0x0a0a_0a0a_0a0a_0a0a;
    !(((other & LOW) + LOW) | other | LOW)
}

/// A line that starts at `at`: a header, or the blank one.
#[inline(always)]
fn line(scan: &Scan, at: u32) -> u64 {
    if at + 2 > scan.length.get() {
        return STOP;
    }
    let word = scan.word(at);
    if word as u16 == u16::from_ne_bytes(*b"\r\n") || word as u8 == b'\n' {
        let end = if word as u8 == b'\n' { at + 1 } else { at + 2 };
        scan.end.set(end);
        return STOP;
    }
    let name = word | 0x2020_2020_2020_2020;
    match name as u32 {
        TRAC if name == TRACEPAR => traceparent(scan, at),
        X_B3 | UBER | UPGR => scan.is_unclear.set(1),
        other if other & 0x00ff_ffff == B3 => b3(scan, at),
        _ => {}
    }
    GO_ON
}

const TRAC: u32 = u32::from_ne_bytes(*b"trac");
const TRACEPAR: u64 = u64::from_ne_bytes(*b"tracepar");
/// Of `traceparent:`; a colon has the bit that makes letters small.
const ENT: u32 = u32::from_ne_bytes(*b"ent:");
const X_B3: u32 = u32::from_ne_bytes(*b"x-b3");
const UBER: u32 = u32::from_ne_bytes(*b"uber");
/// Of `Upgrade`: the connection may go on in another protocol.
const UPGR: u32 = u32::from_ne_bytes(*b"upgr");
const B3: u32 = u32::from_ne_bytes(*b"b3:\0");

/// Lengths in a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, two digits.
const NAME_BYTES: u32 = 12;
const B3_NAME_BYTES: u32 = 3;
const PARENT_DASH: u32 = 35;
const FLAGS_DASH: u32 = 52;
const FLAGS: u32 = 53;
const VALUE_BYTES: u32 = 55;

/// A header whose name begins so. The digits of ids are not looked at: ids that are none make a context
/// that is not valid, which is as good as one that is not sampled.
#[inline(always)]
fn traceparent(scan: &Scan, at: u32) {
    if scan.word(at + 8) as u32 | 0x2020_2020 != ENT {
        scan.is_unclear.set(1);
        return;
    }
    let value = at + NAME_BYTES;
    let value = if scan.byte(value) == b' ' {
        value + 1
    } else {
        value
    };
    let flags = scan.word(value + FLAGS);
    let is_known = value + VALUE_BYTES < scan.length.get()
        && scan.word(value) as u32 & 0x00ff_ffff == u32::from_ne_bytes(*b"00-\0")
        && scan.byte(value + PARENT_DASH) == b'-'
        && scan.byte(value + FLAGS_DASH) == b'-'
        && is_digit(flags as u8)
        && is_digit((flags >> 8) as u8)
        && matches!((flags >> 16) as u8, b'\r' | b'\n');
    if !is_known {
        scan.is_unclear.set(1);
        return;
    }
    scan.contexts.set(scan.contexts.get() + 1);
    // `a` is even, and its code is not.
    let low = (flags >> 8) as u8;
    let is_odd = if low > b'9' {
        low & 1 == 0
    } else {
        low & 1 == 1
    };
    scan.is_sampled.set_bits(is_odd as u32);
}

/// The single header of B3. All that is understood here is a zero, which names no trace and wants none: so
/// the agent's own requests are marked.
#[inline(always)]
fn b3(scan: &Scan, at: u32) {
    let value = at + B3_NAME_BYTES;
    let value = if scan.byte(value) == b' ' {
        value + 1
    } else {
        value
    };
    let digit = scan.word(value);
    let is_known = value + 1 < scan.length.get()
        && digit as u8 == b'0'
        && matches!((digit >> 8) as u8, b'\r' | b'\n');
    if is_known {
        scan.is_denied.set(1);
    } else {
        scan.is_unclear.set(1);
    }
}

#[inline(always)]
const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

impl Scan {
    /// Eight bytes of the copy; behind its end they are anything.
    #[inline(always)]
    fn word(&self, at: u32) -> u64 {
        // The compiler must leave the bound where the verifier sees it.
        let at = core::hint::black_box(at) & (MAX_BYTES as u32 - 1);
        let bytes = self.bytes.as_ptr().cast::<u8>();
        // SAFETY: at most `MAX_BYTES - 1`, and the room is longer by a word. Only the owner of the scan
        // has written it, before the loop.
        unsafe { bytes.add(at as usize).cast::<u64>().read_unaligned() }
    }

    #[inline(always)]
    fn byte(&self, at: u32) -> u8 {
        self.word(at) as u8
    }
}
