//! Which packets carry a message: SYN and SYN-ACK by their flags, HTTP/1 heads by their first bytes.
//!
//! A body that looks like a head opens a journey as well; user space, which knows the framing,
//! throws it away.

use aya_ebpf::programs::SkBuffContext;
use tracer_common::message::Message;

use crate::packet::{ACK, Packet, SYN};

/// No head is shorter: `GET / HTTP/1.0` and two line ends are 18 bytes.
const MIN_HEAD_BYTES: u32 = 16;

/// SYN and SYN-ACK.
#[inline(always)]
pub(crate) fn handshake(packet: &Packet) -> Option<Message> {
    match packet.flags & (SYN | ACK) {
        SYN => Some(Message::Syn),
        flags if flags == SYN | ACK => Some(Message::SynAck),
        _ => None,
    }
}

/// A head of HTTP/1 at the start of a packet.
#[inline(always)]
pub(crate) fn http1(ctx: &SkBuffContext, packet: &Packet) -> Option<Message> {
    if packet.payload_bytes < MIN_HEAD_BYTES {
        return None;
    }
    let first: [u8; 8] = ctx.load(packet.payload_offset as usize).ok()?;
    first_bytes(u64::from_be_bytes(first))
}

/// The first eight bytes of a payload, as a big-endian number, against RFC 9110's methods
/// (section 9), PATCH (RFC 5789) and the status line of HTTP/1 (RFC 9112 section 4).
#[inline(always)]
fn first_bytes(first: u64) -> Option<Message> {
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
        || starts_with(first, b"CONNECT ")
        || starts_with(first, b"TRACE ");
    request.then_some(Message::Request)
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
