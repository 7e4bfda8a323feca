//! A packet at the sending socket, or where it arrives from another node.

use aya_ebpf::programs::SkBuffContext;

use crate::packet::Packet;

/// What the hook that opens journeys knows of a packet.
pub(crate) struct Sent<'a> {
    pub(crate) ctx: &'a SkBuffContext,
    pub(crate) packet: &'a Packet,
    /// When it left the socket, or arrived.
    pub(crate) start_ns: u64,
    pub(crate) sender_cookie: u64,
}
