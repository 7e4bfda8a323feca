//! The IP and TCP headers of a packet at a cgroup hook.
//!
//! In: an skb whose data starts at the network header. Out: `Packet`. Knows no IPv4 fragments
//! but the first, and no IPv6 extension headers: such packets are not TCP here.

use aya_ebpf::programs::SkBuffContext;
use tracer_common::tuple::{Tuple, mapped};

const IPPROTO_TCP: u8 = 6;
const IPV6_HEADER_BYTES: usize = 40;

/// RFC 791 section 3.1. Fields of more than a byte are in network byte order.
#[repr(C)]
#[derive(Clone, Copy)]
struct Ipv4Header {
    version_and_words: u8,
    tos: u8,
    length: u16,
    id: u16,
    fragment_be: u16,
    ttl: u8,
    protocol: u8,
    checksum: u16,
    source_be: u32,
    destination_be: u32,
}

/// RFC 9293 section 3.1. Fields of more than a byte are in network byte order.
#[repr(C)]
#[derive(Clone, Copy)]
struct TcpHeader {
    source_port_be: u16,
    destination_port_be: u16,
    seq_be: u32,
    ack_be: u32,
    words: u8,
    flags: u8,
    window_be: u16,
}

/// TCP flags, RFC 9293 section 3.1.
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

pub(crate) struct Packet {
    pub(crate) tuple: Tuple,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    /// The receive window of the sender; 0 whatever the scale, where it has no room.
    pub(crate) window: u16,
    /// Where the TCP payload starts, from the network header.
    pub(crate) payload_offset: u32,
    pub(crate) payload_bytes: u32,
}

impl Packet {
    /// Most packets of a busy connection carry nothing but an acknowledgment.
    #[inline(always)]
    pub(crate) fn may_carry_message(&self) -> bool {
        self.payload_bytes != 0 || self.flags & SYN != 0
    }

    /// Whether the window is that of a connection which is open: a RST has none.
    #[inline(always)]
    pub(crate) fn tells_window(&self) -> bool {
        self.flags & (SYN | RST | ACK) == ACK
    }
}

/// The headers of a TCP packet, `None` for any other.
#[inline(always)]
pub(crate) fn parse(ctx: &SkBuffContext) -> Option<Packet> {
    let mut tuple = Tuple::ZERO;
    let version: u8 = ctx.load(0).ok()?;
    let ip_header_bytes = match version >> 4 {
        4 => ipv4(ctx, &mut tuple)?,
        6 => ipv6(ctx, &mut tuple)?,
        _ => return None,
    };
    let tcp: TcpHeader = ctx.load(ip_header_bytes).ok()?;
    tuple.source_port_be = tcp.source_port_be;
    tuple.destination_port_be = tcp.destination_port_be;
    let payload_offset = (ip_header_bytes + usize::from(tcp.words >> 4) * 4) as u32;
    Some(Packet {
        tuple,
        seq: u32::from_be(tcp.seq_be),
        ack: u32::from_be(tcp.ack_be),
        flags: tcp.flags,
        window: u16::from_be(tcp.window_be),
        payload_offset,
        payload_bytes: ctx.len().saturating_sub(payload_offset),
    })
}

/// Length of the header.
#[inline(always)]
fn ipv4(ctx: &SkBuffContext, tuple: &mut Tuple) -> Option<usize> {
    let ip: Ipv4Header = ctx.load(0).ok()?;
    let fragment_offset = u16::from_be(ip.fragment_be) & 0x1fff;
    if ip.protocol != IPPROTO_TCP || fragment_offset != 0 {
        return None;
    }
    tuple.source_be = mapped(ip.source_be);
    tuple.destination_be = mapped(ip.destination_be);
    Some(usize::from(ip.version_and_words & 0x0f) * 4)
}

/// Length of the header.
#[inline(always)]
fn ipv6(ctx: &SkBuffContext, tuple: &mut Tuple) -> Option<usize> {
    let next_header: u8 = ctx.load(6).ok()?;
    if next_header != IPPROTO_TCP {
        return None;
    }
    tuple.source_be = ctx.load(8).ok()?;
    tuple.destination_be = ctx.load(24).ok()?;
    Some(IPV6_HEADER_BYTES)
}
