//! The first bytes of a request or response, copied where its journey opens.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::tuple::Tuple;

/// Most bytes copied of one head.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The header of the copied bytes on the ring buffer.
///
/// A head and the journey of its packet have the same `sender_cookie`, `seq` and `start_ns`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct Head {
    /// [`crate::RecordKind::Head`].
    pub kind: u32,
    /// Bytes that follow this structure. The record may be longer.
    pub captured_bytes: u32,
    /// When the packet left the sending socket, or arrived from another node.
    pub start_ns: u64,
    /// Cookie of the sending socket, or the synthetic one of a socket on another node.
    pub sender_cookie: u64,
    /// TCP sequence number of the packet's first byte.
    pub seq: u32,
    /// TCP acknowledgment number of the segment.
    pub ack: u32,
    /// TCP payload of the packet, of which `captured_bytes` were copied from `offset` on.
    pub payload_bytes: u32,
    /// A [`crate::message::Message`]: request or response.
    pub message: u8,
    /// 1 if the bytes follow those of the record before, whose head did not end with its packet.
    /// Such a packet has no journey.
    pub continues: u8,
    /// Zero.
    pub padding: [u8; 2],
    /// The tuple of the packet as it was sent, or as it arrived from another node.
    pub sent: Tuple,
    /// Where the copied bytes begin in the packet's payload: behind the body of the message before.
    pub offset: u32,
}

const _: () = assert!(size_of::<Head>() == 80);
