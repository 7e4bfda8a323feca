//! The IP and TCP headers of a packet at a cgroup hook.
//!
//! In: an skb whose data starts at the network header. Out: `Packet`. Knows no IPv4 fragments
//! but the first, and no IPv6 extension headers: such packets are not TCP here.

use aya_ebpf::programs::SkBuffContext;
use tracer_common::tuple::{Tuple, mapped};

const IPPROTO_TCP: u8 = 6;
const IPV4_MIN_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TCP_MIN_HEADER: usize = 20;

/// TCP flags, RFC 9293 section 3.1.
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;

pub(crate) struct Packet {
    pub(crate) tuple: Tuple,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    /// Where the TCP payload starts, from the network header.
    pub(crate) payload_offset: u32,
    pub(crate) payload_bytes: u32,
}

struct Network {
    source: [u8; 16],
    destination: [u8; 16],
    header_bytes: usize,
}

/// The headers of a TCP packet, `None` for any other.
#[inline(always)]
pub(crate) fn parse(ctx: &SkBuffContext) -> Option<Packet> {
    let version: u8 = ctx.load(0).ok()?;
    let network = match version >> 4 {
        4 => ipv4(ctx)?,
        6 => ipv6(ctx)?,
        _ => return None,
    };
    let tcp: [u8; TCP_MIN_HEADER] = ctx.load(network.header_bytes).ok()?;
    let tcp_header_bytes = usize::from(tcp[12] >> 4) * 4;
    let payload_offset = (network.header_bytes + tcp_header_bytes) as u32;
    Some(Packet {
        tuple: Tuple {
            source: network.source,
            destination: network.destination,
            source_port_be: u16::from_ne_bytes([tcp[0], tcp[1]]),
            destination_port_be: u16::from_ne_bytes([tcp[2], tcp[3]]),
        },
        seq: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
        ack: u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]),
        flags: tcp[13],
        payload_offset,
        payload_bytes: ctx.len().saturating_sub(payload_offset),
    })
}

#[inline(always)]
fn ipv4(ctx: &SkBuffContext) -> Option<Network> {
    let ip: [u8; IPV4_MIN_HEADER] = ctx.load(0).ok()?;
    let fragment_offset = u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff;
    if ip[9] != IPPROTO_TCP || fragment_offset != 0 {
        return None;
    }
    Some(Network {
        source: mapped([ip[12], ip[13], ip[14], ip[15]]),
        destination: mapped([ip[16], ip[17], ip[18], ip[19]]),
        header_bytes: usize::from(ip[0] & 0x0f) * 4,
    })
}

#[inline(always)]
fn ipv6(ctx: &SkBuffContext) -> Option<Network> {
    let next_header: u8 = ctx.load(6).ok()?;
    if next_header != IPPROTO_TCP {
        return None;
    }
    Some(Network {
        source: ctx.load(8).ok()?,
        destination: ctx.load(24).ok()?,
        header_bytes: IPV6_HEADER,
    })
}
