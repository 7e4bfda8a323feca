//! Recognises heads of HTTP/1 by the first bytes of a payload.
//!
//! A body that looks like a head opens a journey as well. User space knows the framing and discards
//! it.

use aya_ebpf::programs::SkBuffContext;
use tracer_common::message::Message;

use crate::packet::Packet;

/// No head is shorter: `GET / HTTP/1.0` and two line ends are 18 bytes.
pub(crate) const MIN_HEAD_BYTES: u32 = 16;

const CONNECT: &[u8; 8] = b"CONNECT ";

/// The first bytes of a payload, as big-endian numbers.
#[derive(Clone, Copy)]
pub(crate) struct FirstBytes {
    pub(crate) word: u64,
    next: u64,
}

impl FirstBytes {
    /// All zero if the payload is shorter than a head.
    #[inline(always)]
    pub(crate) fn load(ctx: &SkBuffContext, packet: &Packet) -> Self {
        let bytes: [u64; 2] = if packet.payload_bytes < MIN_HEAD_BYTES {
            [0; 2]
        } else {
            ctx.load(packet.payload_offset as usize).unwrap_or([0; 2])
        };
        Self {
            word: u64::from_be(bytes[0]),
            next: u64::from_be(bytes[1]),
        }
    }

    /// Whether they are those of HTTP/2's preface (RFC 9113 section 3.4).
    #[inline(always)]
    pub(crate) fn is_http2_preface(self) -> bool {
        starts_with(self.word, b"PRI * HT")
    }

    /// Whether the status of a response is `101 Switching Protocols`, which follows `HTTP/1.1 `.
    #[inline(always)]
    pub(crate) fn is_switching_protocols(self) -> bool {
        starts_with(self.next << 8, b"101 ")
    }
}

/// The message whose head starts with these eight bytes: the methods of RFC 9110 section 9, PATCH
/// (RFC 5789), or the status line (RFC 9112 section 4).
#[inline(always)]
pub(crate) fn message(first: u64) -> Option<Message> {
    if starts_with(first, b"HTTP/1.") {
        return Some(Message::Response);
    }
    let is_request = starts_with(first, b"GET ")
        || starts_with(first, b"POST ")
        || starts_with(first, b"PUT ")
        || starts_with(first, b"HEAD ")
        || starts_with(first, b"DELETE ")
        || starts_with(first, b"PATCH ")
        || starts_with(first, b"OPTIONS ")
        || starts_with(first, CONNECT)
        || starts_with(first, b"TRACE ");
    is_request.then_some(Message::Request)
}

/// Whether a request opens a tunnel: what follows it on the connection is not HTTP of this client.
#[inline(always)]
pub(crate) fn is_connect(first: u64) -> bool {
    starts_with(first, CONNECT)
}

#[inline(always)]
const fn starts_with<const N: usize>(first: u64, word: &[u8; N]) -> bool {
    let mut expected = 0;
    let mut index = 0;
    while index < N {
        expected = expected << 8 | word[index] as u64;
        index += 1;
    }
    first >> (64 - 8 * N) == expected
}
