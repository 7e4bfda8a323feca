//! A packet where this node first sees it: at the socket that sends it, or where it arrives from
//! another node.

use aya_ebpf::{EbpfContext as _, programs::SkBuffContext};
use tracer_common::http1::start::Start;

use crate::packet::Packet;

/// What the hook that may open a journey has of a packet.
pub(crate) struct FirstSeen<'a> {
    pub(crate) ctx: &'a SkBuffContext,
    pub(crate) packet: &'a Packet,
    /// When it left the socket, or arrived.
    pub(crate) start_ns: u64,
    /// Cookie of the sending socket, or the synthetic one of a socket on another node.
    pub(crate) sender_cookie: u64,
    /// Where the head of HTTP/1 begins in the payload: behind the body of the message before.
    pub(crate) head_offset: u32,
    /// The first bytes from `head_offset` on.
    pub(crate) start: Start,
}

impl FirstSeen<'_> {
    /// The address of the sk_buff, by which its journey is found.
    #[inline(always)]
    pub(crate) fn skb(&self) -> u64 {
        self.ctx.as_ptr() as u64
    }

    /// Where the head begins, from the network header.
    #[inline(always)]
    pub(crate) fn head_begin(&self) -> u32 {
        self.packet.payload_offset + self.head_offset
    }

    /// The bytes of the payload from the head on.
    #[inline(always)]
    pub(crate) fn head_bytes(&self) -> u32 {
        self.packet.payload_bytes.saturating_sub(self.head_offset)
    }

    /// Sequence number of the head's first byte.
    #[inline(always)]
    pub(crate) fn head_seq(&self) -> u32 {
        self.packet.seq.wrapping_add(self.head_offset)
    }
}
