//! The IP and TCP headers of a packet.
//!
//! In: an skb, and where in it the network header is. Out: [`Packet`]. Later fragments of IPv4 and
//! packets with IPv6 extension headers are not recognised as TCP.

use aya_ebpf::{bindings::__sk_buff, programs::SkBuffContext};
use tracer_common::tuple::{Tuple, mapped};

const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const IPV4_HEADER_BYTES: usize = 20;
const IPV6_HEADER_BYTES: usize = 40;

/// RFC 791 section 3.1. Fields of more than a byte are in network byte order.
#[repr(C)]
#[derive(Clone, Copy)]
struct Ipv4Header {
    version_and_words: u8,
    tos: u8,
    length_be: u16,
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

/// The headers of most packets, for one read.
#[repr(C)]
#[derive(Clone, Copy)]
struct Headers {
    ip: Ipv4Header,
    tcp: TcpHeader,
}

/// TCP flags, RFC 9293 section 3.1.
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Numbers without gaps between them, as [`crate::first_seen::Sighting`].
#[repr(C)]
pub(crate) struct Packet {
    pub(crate) tuple: Tuple,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    /// The receive window of the sender, not scaled. 0 if it has no room, whatever the scale.
    pub(crate) window: u16,
    pub(crate) flags: u8,
    padding: u8,
    /// Where the TCP payload starts, from the network header.
    pub(crate) payload_offset: u32,
    pub(crate) payload_bytes: u32,
}

const _: () = assert!(size_of::<Packet>() == size_of::<Tuple>() + 20);

impl Packet {
    pub(crate) const ZERO: Self = Self {
        tuple: Tuple::ZERO,
        seq: 0,
        ack: 0,
        window: 0,
        flags: 0,
        padding: 0,
        payload_offset: 0,
        payload_bytes: 0,
    };

    /// Whether the packet is more than an acknowledgment, as most packets of a busy connection are
    /// not.
    #[inline(always)]
    pub(crate) fn may_carry_message(&self) -> bool {
        self.payload_bytes != 0 || self.flags & SYN != 0
    }

    /// Sequence number behind the payload.
    #[inline(always)]
    pub(crate) fn end_seq(&self) -> u32 {
        self.seq.wrapping_add(self.payload_bytes)
    }

    /// Sequence number of the last byte of the payload.
    #[inline(always)]
    pub(crate) fn last_seq(&self) -> u32 {
        self.end_seq().wrapping_sub(1)
    }

    #[inline(always)]
    pub(crate) fn is_syn(&self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }

    #[inline(always)]
    pub(crate) fn is_syn_ack(&self) -> bool {
        self.flags & (SYN | ACK) == SYN | ACK
    }

    /// Whether `window` is that of an established connection. The field of a RST has no meaning.
    #[inline(always)]
    pub(crate) fn has_window(&self) -> bool {
        self.flags & (SYN | RST | ACK) == ACK
    }
}

/// The headers of a TCP packet whose data starts at the network header, `None` for any other.
#[inline(always)]
pub(crate) fn parse(ctx: &SkBuffContext) -> Option<Packet> {
    parse_at(ctx, 0)
}

/// The headers of a TCP packet whose network header is at `base`; whether it is one. What this
/// function keeps on the stack is added to its caller's only while it runs.
#[inline(always)]
pub(crate) fn parse_into(ctx: &SkBuffContext, base: usize, packet: &mut Packet) -> bool {
    // SAFETY: the context, and a packet that is borrowed exclusively.
    unsafe { packet_parse(ctx.skb.skb, base as u32, packet) }
}

/// Global: the verifier checks it once ([`crate::first_seen`]).
///
/// # Safety
///
/// `skb` is the context of the program, and nothing else accesses what `packet` points to.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn packet_parse(skb: *mut __sk_buff, base: u32, packet: *mut Packet) -> bool {
    let parsed = parse_at(&SkBuffContext::new(skb), base as usize);
    // SAFETY: by contract.
    match (parsed, unsafe { packet.as_mut() }) {
        (Some(parsed), Some(packet)) => {
            *packet = parsed;
            true
        }
        _ => false,
    }
}

/// The headers of a TCP packet whose network header is at `base`, `None` for any other.
#[inline(always)]
fn parse_at(ctx: &SkBuffContext, base: usize) -> Option<Packet> {
    let headers: Headers = ctx.load(base).ok()?;
    let mut tuple = Tuple::ZERO;
    let ip = match headers.ip.version_and_words >> 4 {
        4 => ipv4(&headers.ip, base, &mut tuple)?,
        6 => ipv6(ctx, base, &mut tuple)?,
        _ => return None,
    };
    let tcp = if ip.header_end == base + IPV4_HEADER_BYTES {
        headers.tcp
    } else {
        ctx.load(ip.header_end).ok()?
    };
    tuple.source_port_be = tcp.source_port_be;
    tuple.destination_port_be = tcp.destination_port_be;
    let payload_offset = (ip.header_end + usize::from(tcp.words >> 4) * 4) as u32;
    // Padding of Ethernet may follow the packet's end. Packets of more than 64 KiB have a length of
    // 0 (kernel: iph_set_totlen).
    let skb_end = ctx.len();
    let end = if ip.end == base as u32 || ip.end > skb_end {
        skb_end
    } else {
        ip.end
    };
    Some(Packet {
        tuple,
        seq: u32::from_be(tcp.seq_be),
        ack: u32::from_be(tcp.ack_be),
        window: u16::from_be(tcp.window_be),
        flags: tcp.flags,
        padding: 0,
        payload_offset,
        payload_bytes: end.saturating_sub(payload_offset),
    })
}

/// The offset of the UDP header in a packet whose data starts at the network header, if it has one.
#[inline(always)]
pub(crate) fn udp_offset(ctx: &SkBuffContext) -> Option<usize> {
    let ip: Ipv4Header = ctx.load(0).ok()?;
    match ip.version_and_words >> 4 {
        4 if ip.protocol == IPPROTO_UDP && !ip.is_later_fragment() => Some(ip.header_bytes()),
        // The byte at the offset of IPv4's fragment field is IPv6's next header.
        6 if ip.fragment_be.to_ne_bytes()[0] == IPPROTO_UDP => Some(IPV6_HEADER_BYTES),
        _ => None,
    }
}

/// Offsets in the packet.
struct Ip {
    header_end: usize,
    /// The end of the packet; the start of the header if its length is 0.
    end: u32,
}

impl Ipv4Header {
    #[inline(always)]
    fn header_bytes(&self) -> usize {
        usize::from(self.version_and_words & 0x0f) * 4
    }

    #[inline(always)]
    fn is_later_fragment(&self) -> bool {
        u16::from_be(self.fragment_be) & 0x1fff != 0
    }
}

#[inline(always)]
fn ipv4(ip: &Ipv4Header, base: usize, tuple: &mut Tuple) -> Option<Ip> {
    if ip.protocol != IPPROTO_TCP || ip.is_later_fragment() {
        return None;
    }
    tuple.source_be = mapped(ip.source_be);
    tuple.destination_be = mapped(ip.destination_be);
    Some(Ip {
        header_end: base + ip.header_bytes(),
        end: base as u32 + u32::from(u16::from_be(ip.length_be)),
    })
}

#[inline(always)]
fn ipv6(ctx: &SkBuffContext, base: usize, tuple: &mut Tuple) -> Option<Ip> {
    let next_header: u8 = ctx.load(base + 6).ok()?;
    if next_header != IPPROTO_TCP {
        return None;
    }
    let payload_be: u16 = ctx.load(base + 4).ok()?;
    tuple.source_be = ctx.load(base + 8).ok()?;
    tuple.destination_be = ctx.load(base + 24).ok()?;
    let end = match u16::from_be(payload_be) {
        0 => base as u32,
        bytes => base as u32 + IPV6_HEADER_BYTES as u32 + u32::from(bytes),
    };
    Some(Ip {
        header_end: base + IPV6_HEADER_BYTES,
        end,
    })
}
