//! A packet at the sending socket.

use aya_ebpf::programs::SkBuffContext;

use crate::packet::Packet;

/// What the egress hook knows of a packet.
pub(crate) struct Sent<'a> {
    pub(crate) ctx: &'a SkBuffContext,
    pub(crate) packet: &'a Packet,
    /// When it left the socket.
    pub(crate) start_ns: u64,
    pub(crate) sender_cookie: u64,
}
