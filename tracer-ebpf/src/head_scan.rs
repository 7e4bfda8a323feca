//! Scans the head of an HTTP/1 message for the length of its body and, in a request, for trace
//! headers.
//!
//! In: the packet in which a message starts. Out: where the next one starts ([`boundary`]), and
//! whether a request is followed. It is, unless the scan is certain that its trace is not
//! sampled: then user space would make no spans of it. The scan is certain only if
//! - the whole head is within the packet and within its first [`MAX_BYTES`],
//! - no other request follows in the packet,
//! - at most one header carries a trace context, and
//! - that one is a `traceparent` of version 00 (W3C Trace Context, section 3.2), or a `b3` of `0`.
//!
//! The headers and what is done with each are listed in `tracer_common::trace_header`, and
//! `tracer_common::http1::scan` reads a line. Every other format is unclear here: the request is followed, and user space reads
//! the head.

use core::ops::ControlFlow;

use aya_ebpf::{
    EbpfContext as _, bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes, macros::map,
    maps::PerCpuArray,
};
use tracer_common::http1::scan::{self, Findings, HeadBytes, Line};

use crate::{
    boundary,
    bpf_loop::{self, Turn},
    first_seen::{self, FirstSeen, Sighting},
    packet_bytes::bounded,
    shared::{Cells, MapValue as _, Shared},
    socket::Socket,
};

/// Bytes of a head that are scanned. A request with a longer head is followed.
const MAX_BYTES: usize = 4096;
const WORD_BYTES: u32 = 8;
/// Room for a word that starts at the last byte.
const ROOM_BYTES: usize = MAX_BYTES + WORD_BYTES as usize;

/// Words scanned in one turn of the loop, which is a call. Most lines are shorter.
const TURN_WORDS: u32 = 4;
/// A head of [`MAX_BYTES`] with more lines than this is followed, because its end is not found.
const MAX_TURNS: u32 = 512;

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
    /// [`Findings`] of the lines so far.
    findings: Shared<u32>,
    /// The value of `Content-Length`, if it was found.
    body_bytes: Shared<u64>,
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

/// What the scan of a request has found. A number, because a function that is not inlined returns
/// one register.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Scanned(u32);

impl Scanned {
    const FOLLOWED: u32 = 1;
    const SINGLE: u32 = 2;
    /// Nothing is certain.
    pub(crate) const UNCLEAR: Self = Self(Self::FOLLOWED);

    /// Whether the trace may be sampled, or this is not certain.
    #[inline(always)]
    pub(crate) const fn is_followed(self) -> bool {
        self.0 & Self::FOLLOWED != 0
    }

    /// Whether the packet has the whole head of one request, and no other request.
    #[inline(always)]
    pub(crate) const fn is_single(self) -> bool {
        self.0 & Self::SINGLE != 0
    }
}

/// What is scanned.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanning {
    /// A request, which is followed if its trace is sampled.
    Request = 0,
    /// A request, which is also followed if it carries no trace context.
    AnyRequest = 1,
    /// A response.
    Response = 2,
}

/// Scans a head.
#[inline(always)]
pub(crate) fn scan(
    seen: &mut FirstSeen<'_>,
    socket: &'static Socket,
    scanning: Scanning,
) -> Scanned {
    let (skb, sighting) = seen.as_raw();
    // SAFETY: as `from_raw` needs them.
    Scanned(unsafe { http1_scan_head(skb, sighting, socket, scanning as u32) })
}

/// Global: the verifier checks it once ([`first_seen`]).
///
/// # Safety
///
/// As [`first_seen::from_raw`]. `socket` is null or in the map of the sockets.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn http1_scan_head(
    skb: *mut __sk_buff,
    sighting: *mut Sighting,
    socket: *const Socket,
    scanning: u32,
) -> u32 {
    let unclear = Scanned::UNCLEAR.0;
    // SAFETY: by contract; slots of sockets consist of cells and stay mapped.
    let Some(socket) = (unsafe { socket.as_ref() }) else {
        return unclear;
    };
    let run = |seen: &mut FirstSeen<'_>| run(seen, socket, scanning).0;
    // SAFETY: by contract.
    unsafe { first_seen::from_raw(skb, sighting, unclear, run) }
}

#[inline(always)]
fn run(seen: &FirstSeen<'_>, socket: &'static Socket, scanning: u32) -> Scanned {
    boundary::forget(socket);
    let Some(scan) = SCAN.value(0) else {
        return Scanned::UNCLEAR;
    };
    if !scan.is_used.exchange(0, 1) {
        return Scanned::UNCLEAR;
    }
    let scanned = scan.run(seen, socket, scanning);
    scan.is_used.set(0);
    scanned
}

impl Scan {
    #[inline(always)]
    fn run(&'static self, seen: &FirstSeen<'_>, socket: &'static Socket, scanning: u32) -> Scanned {
        let length = bounded::<MAX_BYTES>(seen.head_bytes());
        // SAFETY: `length` is at most the size of the array.
        let failed = unsafe {
            bpf_skb_load_bytes(
                seen.ctx.as_ptr(),
                seen.head_begin(),
                self.bytes.as_ptr().cast(),
                length,
            )
        };
        if failed != 0 {
            return Scanned::UNCLEAR;
        }
        self.length.set(length);
        self.offset.set(0);
        self.end.set(0);
        self.findings.set(Findings::NONE.bits());
        bpf_loop::repeat(MAX_TURNS, &Lines { scan: self });
        let end = self.end.get();
        if end == 0 {
            return Scanned::UNCLEAR;
        }
        let findings = Findings::from_bits(self.findings.get());
        let end_seq = seen.head_seq().wrapping_add(end);
        let length = self.body_bytes.get();
        let body = if scanning == Scanning::Response as u32 {
            findings.response_body(length)
        } else {
            findings.body(length)
        };
        if boundary::begin(seen, socket, end_seq, body) {
            return Scanned::UNCLEAR;
        }
        let without_context = scanning == Scanning::AnyRequest as u32;
        let is_followed = findings.is_followed(without_context);
        Scanned(Scanned::SINGLE | (is_followed as u32 * Scanned::FOLLOWED))
    }

    /// Reads the line that starts at `at`. Breaks where the head ends.
    #[inline(always)]
    fn line(&self, at: u32) -> ControlFlow<()> {
        match scan::line(self, at) {
            Line::Cut => ControlFlow::Break(()),
            Line::End(end) => {
                self.end.set(end);
                ControlFlow::Break(())
            }
            // Most lines: nothing to store.
            Line::Header(Findings::NONE) => ControlFlow::Continue(()),
            Line::Length(bytes) => {
                let findings = Findings::from_bits(self.findings.get());
                self.findings.set(findings.and_length().bits());
                self.body_bytes.set(bytes);
                ControlFlow::Continue(())
            }
            Line::Header(found) => {
                let findings = Findings::from_bits(self.findings.get());
                self.findings.set(findings.and(found).bits());
                ControlFlow::Continue(())
            }
        }
    }
}

impl HeadBytes for Scan {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.length.get()
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
}

/// The loop over the lines of a head.
struct Lines {
    scan: &'static Scan,
}

impl Turn for Lines {
    /// Goes on to the next line, or some words further in a long one.
    #[inline(always)]
    fn turn(&self, _index: u32) -> ControlFlow<()> {
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
