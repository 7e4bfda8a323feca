//! Which packets carry a message: SYN and SYN-ACK by their flags, HTTP/1 heads by their first bytes.
//!
//! A body that looks like a head opens a journey as well; user space, which knows the framing,
//! throws it away.

use aya_ebpf::programs::SkBuffContext;
use tracer_common::message::Message;

use crate::packet::{ACK, Packet, SYN};

/// No head is shorter: `GET / HTTP/1.0` and two line ends are 18 bytes.
pub(crate) const MIN_HEAD_BYTES: u32 = 16;

/// SYN and SYN-ACK.
#[inline(always)]
pub(crate) fn handshake(packet: &Packet) -> Option<Message> {
    match packet.flags & (SYN | ACK) {
        SYN => Some(Message::Syn),
        flags if flags == SYN | ACK => Some(Message::SynAck),
        _ => None,
    }
}

/// The first bytes of a payload, as big-endian numbers.
#[derive(Clone, Copy)]
pub(crate) struct First {
    pub(crate) word: u64,
    next: u64,
}

impl First {
    /// All zero where there are fewer than a head has.
    #[inline(always)]
    pub(crate) fn of(ctx: &SkBuffContext, packet: &Packet) -> Self {
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

    /// Whether the preface of HTTP/2 starts here (RFC 9113 section 3.4).
    #[inline(always)]
    pub(crate) fn is_preface(self) -> bool {
        starts_with(self.word, b"PRI * HT")
    }

    /// Whether a response says `101 Switching Protocols`, after `HTTP/1.1 `.
    #[inline(always)]
    pub(crate) fn switches(self) -> bool {
        starts_with(self.next << 8, b"101 ")
    }
}

/// A head of HTTP/1: the first eight bytes of a payload against RFC 9110's methods (section 9), PATCH
/// (RFC 5789) and the status line of HTTP/1 (RFC 9112 section 4).
#[inline(always)]
pub(crate) fn message(first: u64) -> Option<Message> {
    if starts_with(first, b"HTTP/1.") {
        return Some(Message::Response);
    }
    let request = starts_with(first, b"GET ")
        || starts_with(first, b"POST ")
        || starts_with(first, b"PUT ")
        || starts_with(first, b"HEAD ")
        || starts_with(first, b"DELETE ")
        || starts_with(first, b"PATCH ")
        || starts_with(first, b"OPTIONS ")
        || starts_with(first, CONNECT)
        || starts_with(first, b"TRACE ");
    request.then_some(Message::Request)
}

const CONNECT: &[u8; 8] = b"CONNECT ";

/// Whether a request asks for a tunnel: what follows it is none of this connection's requests.
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
