//! A packet where this node first sees it: at the socket that sends it, or where it arrives from
//! another node.

use aya_ebpf::{EbpfContext as _, programs::SkBuffContext};

use crate::packet::Packet;

/// What the hook that may open a journey has of a packet.
pub(crate) struct FirstSeen<'a> {
    pub(crate) ctx: &'a SkBuffContext,
    pub(crate) packet: &'a Packet,
    /// When it left the socket, or arrived.
    pub(crate) start_ns: u64,
    /// Cookie of the sending socket, or the synthetic one of a socket on another node.
    pub(crate) sender_cookie: u64,
}

impl FirstSeen<'_> {
    /// The address of the sk_buff, by which its journey is found.
    #[inline(always)]
    pub(crate) fn skb(&self) -> u64 {
        self.ctx.as_ptr() as u64
    }
}
