//! Reads the lines of an HTTP/1 request's head for trace headers and for the length of its body.
//!
//! In: the bytes of a head. Out: [`Findings`], and by them whether the request is followed, and its
//! body. The kernel programs run this on a copy of the head in map memory, tests in user space on
//! text. The loop over the lines is the caller's: the kernel's is bounded by `bpf_loop`.

use super::boundary::Body;
use crate::trace_header::KernelScan;

/// The first four letters of `Upgrade`, in memory order and in lower case: the connection may go on
/// in another protocol.
const UPGR: u32 = u32::from_ne_bytes(*b"upgr");

/// `traceparent:` after its first eight bytes. The bit that makes a letter lower case is set in a
/// colon, too.
const ENT: u32 = u32::from_ne_bytes(*b"ent:");
const TRACEPARENT_NAME_BYTES: u32 = 12;
/// Offsets in a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, two digits.
const PARENT_DASH: u32 = 35;
const FLAGS_DASH: u32 = 52;
const FLAGS: u32 = 53;
const TRACEPARENT_BYTES: u32 = 55;
/// Masks the first three letters of a word.
const THREE_BYTES: u32 = u32::from_ne_bytes(*b"\xff\xff\xff\0");

const B3_NAME_BYTES: u32 = 3;

/// The halves of `Content-Length:` and the thirds of `Transfer-Encoding:`, in lower case.
const CONTENT: u64 = u64::from_ne_bytes(*b"content-");
const LENGTH: u64 = u64::from_ne_bytes(*b"length:\0");
const TRANSFER: u64 = u64::from_ne_bytes(*b"transfer");
const ENCODING: u64 = u64::from_ne_bytes(*b"-encodin");
/// Masks the first seven letters of a word, and the first six.
const SEVEN_BYTES: u64 = u64::from_ne_bytes(*b"\xff\xff\xff\xff\xff\xff\xff\0");
const SIX_BYTES: u64 = u64::from_ne_bytes(*b"\xff\xff\xff\xff\xff\xff\0\0");
const CONTENT_LENGTH_NAME_BYTES: u32 = 15;
const TRANSFER_ENCODING_NAME_BYTES: u32 = 18;
const CHUNKED: u64 = u64::from_ne_bytes(*b"chunked\0");
/// Digits of a length that are read: up to 10 GB.
const LENGTH_DIGITS: u32 = 10;
/// Makes a letter lower case; other characters of header names keep their value.
const LOWER_CASE: u64 = 0x2020_2020_2020_2020;

/// The bytes of a head.
pub trait HeadBytes {
    /// Number of bytes.
    fn length(&self) -> u32;

    /// Eight bytes from `at` on, in memory order; undefined beyond the length.
    fn word(&self, at: u32) -> u64;

    /// The byte at `at`; undefined beyond the length.
    #[inline(always)]
    fn byte(&self, at: u32) -> u8 {
        self.word(at).to_ne_bytes()[0]
    }
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Not within the bytes.
    Cut,
    /// The blank line that ends the head; the offset of the byte after it.
    End(u32),
    /// A header.
    Header(Findings),
    /// `Content-Length`, in bytes.
    Length(u64),
}

/// What the headers so far mean for sampling. One integer, because the kernel programs keep it in
/// map memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings(u32);

impl Findings {
    /// No trace header.
    pub const NONE: Self = Self(0);
    /// A `traceparent` of version 00.
    const CONTEXT: Self = Self(1);
    /// More than one of them.
    const SEVERAL: u32 = 2;
    /// One of them is sampled.
    const SAMPLED: u32 = 4;
    /// The caller has decided against a trace.
    const DENIED: Self = Self(8);
    /// User space has to read the head.
    const UNCLEAR: Self = Self(16);
    /// The body has a `Content-Length`.
    const LENGTH: Self = Self(32);
    /// The body has chunks.
    const CHUNKED: Self = Self(64);
    /// The end of the body is not known.
    const UNBOUNDED: Self = Self(128);

    /// From [`Findings::bits`].
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// As an integer.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The findings of two parts of a head.
    #[inline(always)]
    pub const fn and(self, other: Self) -> Self {
        let both = self.0 & other.0 & Self::CONTEXT.0;
        Self(self.0 | other.0 | (both * Self::SEVERAL))
    }

    /// The findings of a head whose `Content-Length` has this value, after those before it.
    #[inline(always)]
    pub const fn and_length(self) -> Self {
        // A second one may have another value.
        Self(self.0 | (self.0 & Self::LENGTH.0) << 2 | Self::LENGTH.0)
    }

    /// The body of a whole head; `length` is the value of its `Content-Length`.
    #[inline(always)]
    pub const fn body(self, length: u64) -> Body {
        if self.0 & Self::UNBOUNDED.0 != 0 {
            Body::Unknown
        } else if self.0 & Self::CHUNKED.0 != 0 {
            Body::Chunked
        } else if self.0 & Self::LENGTH.0 != 0 {
            Body::Length(length)
        } else {
            Body::Length(0)
        }
    }

    /// The body of a response; `length` is the value of its `Content-Length`. Without one, and
    /// without chunks, it ends with the connection (RFC 9112 section 6.3).
    #[inline(always)]
    pub const fn response_body(self, length: u64) -> Body {
        if self.0 & (Self::CHUNKED.0 | Self::LENGTH.0) == 0 {
            Body::Unknown
        } else {
            self.body(length)
        }
    }

    /// Whether the request of a whole head is followed. It is, unless it is certain that its trace
    /// is not sampled. `without_context`: also if the head carries no trace context.
    #[inline(always)]
    pub const fn is_followed(self, without_context: bool) -> bool {
        if self.0 & (Self::UNCLEAR.0 | Self::SEVERAL) != 0 {
            true
        } else if self.0 & Self::CONTEXT.0 != 0 {
            self.0 & Self::SAMPLED != 0
        } else {
            without_context && self.0 & Self::DENIED.0 == 0
        }
    }
}

/// Reads the line that starts at `at`.
#[inline(always)]
pub fn line(head: &impl HeadBytes, at: u32) -> Line {
    if at + 2 > head.length() {
        return Line::Cut;
    }
    let word = head.word(at);
    let [first, second, ..] = word.to_ne_bytes();
    if first == b'\n' {
        return Line::End(at + 1);
    }
    if first == b'\r' && second == b'\n' {
        return Line::End(at + 2);
    }
    let name = word | LOWER_CASE;
    Line::Header(match KernelScan::of_line(name) {
        KernelScan::Traceparent => traceparent(head, at),
        KernelScan::B3 => b3(head, at),
        KernelScan::Unclear => Findings::UNCLEAR,
        KernelScan::Skip if first_half(name) == UPGR => {
            Findings(Findings::UNCLEAR.0 | Findings::UNBOUNDED.0)
        }
        KernelScan::Skip if name == CONTENT => return content_length(head, at),
        KernelScan::Skip if name == TRANSFER => transfer_encoding(head, at),
        KernelScan::Skip => Findings::NONE,
    })
}

/// A header at `at` whose name begins with `content-`.
#[inline(always)]
fn content_length(head: &impl HeadBytes, at: u32) -> Line {
    let rest = head.word(at + 8) | LOWER_CASE;
    if (rest ^ LENGTH) & SIX_BYTES != 0 {
        return Line::Header(Findings::NONE);
    }
    if (rest ^ LENGTH) & SEVEN_BYTES == 0 {
        let value = after_space(head, at + CONTENT_LENGTH_NAME_BYTES);
        if let Some(length) = decimal(head, value) {
            return Line::Length(length);
        }
    }
    Line::Header(Findings::UNBOUNDED)
}

/// The number at `at`, if its line ends after it.
#[inline(always)]
fn decimal(head: &impl HeadBytes, at: u32) -> Option<u64> {
    let mut number = 0;
    let mut index = 0;
    while index <= LENGTH_DIGITS {
        let byte = head.byte(at + index);
        if !byte.is_ascii_digit() {
            let is_whole = index > 0 && is_line_end(byte) && at + index < head.length();
            return is_whole.then_some(number);
        }
        number = number * 10 + (byte - b'0') as u64;
        index += 1;
    }
    None
}

/// A header at `at` whose name begins with `transfer`. The end of a body with other codings than
/// `chunked` alone is left to user space.
#[inline(always)]
fn transfer_encoding(head: &impl HeadBytes, at: u32) -> Findings {
    let [third, colon, ..] = (head.word(at + 16) | LOWER_CASE).to_ne_bytes();
    if head.word(at + 8) | LOWER_CASE != ENCODING || third != b'g' || colon != b':' {
        return Findings::UNBOUNDED;
    }
    let value = after_space(head, at + TRANSFER_ENCODING_NAME_BYTES);
    let word = head.word(value);
    let [.., end] = word.to_ne_bytes();
    let is_chunked = (word | LOWER_CASE) & SEVEN_BYTES == CHUNKED
        && is_line_end(end)
        && value + 7 < head.length();
    if is_chunked {
        Findings::CHUNKED
    } else {
        Findings::UNBOUNDED
    }
}

/// A header at `at` whose name begins with `tracepar`. The digits of the ids are not checked:
/// without valid ids there is no trace context, and without one the request is not sampled either.
#[inline(always)]
fn traceparent(head: &impl HeadBytes, at: u32) -> Findings {
    if first_half(head.word(at + 8)) | 0x2020_2020 != ENT {
        return Findings::UNCLEAR;
    }
    let value = after_space(head, at + TRACEPARENT_NAME_BYTES);
    let [high_digit, low_digit, end, ..] = head.word(value + FLAGS).to_ne_bytes();
    let is_version_00 = value + TRACEPARENT_BYTES < head.length()
        && first_half(head.word(value)) & THREE_BYTES == u32::from_ne_bytes(*b"00-\0")
        && head.byte(value + PARENT_DASH) == b'-'
        && head.byte(value + FLAGS_DASH) == b'-'
        && is_digit(high_digit)
        && is_digit(low_digit)
        && is_line_end(end);
    if !is_version_00 {
        return Findings::UNCLEAR;
    }
    // The digit `a` is even, and its code is odd.
    let is_sampled = if low_digit > b'9' {
        low_digit & 1 == 0
    } else {
        low_digit & 1 == 1
    };
    Findings(Findings::CONTEXT.0 | (is_sampled as u32 * Findings::SAMPLED))
}

/// The single header of B3 at `at`. Only its `0` is recognised, which carries no trace and asks for
/// none; the agent marks its own requests with it.
#[inline(always)]
fn b3(head: &impl HeadBytes, at: u32) -> Findings {
    let value = after_space(head, at + B3_NAME_BYTES);
    let [digit, end, ..] = head.word(value).to_ne_bytes();
    if value + 1 < head.length() && digit == b'0' && is_line_end(end) {
        Findings::DENIED
    } else {
        Findings::UNCLEAR
    }
}

/// Where a value starts after its colon: one space may come before it.
#[inline(always)]
fn after_space(head: &impl HeadBytes, at: u32) -> u32 {
    if head.byte(at) == b' ' { at + 1 } else { at }
}

/// The first four bytes of a word.
#[inline(always)]
const fn first_half(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
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
