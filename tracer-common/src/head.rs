//! The first bytes of a request or response, copied where its journey opens.

use crate::tuple::Tuple;

/// Most bytes copied of one head.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What precedes the copied bytes on the ring buffer.
///
/// A head and the journey of its packet have the same `sender_cookie`, `seq` and `start_ns`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// [`crate::RecordKind::Head`].
    pub kind: u32,
    /// Bytes that follow this header; the record itself may be longer.
    pub captured_bytes: u32,
    /// When the packet was opened at the sending socket.
    pub start_ns: u64,
    /// Cookie of the sending socket.
    pub sender_cookie: u64,
    /// TCP sequence number of the first byte.
    pub seq: u32,
    /// TCP acknowledgment number of the segment.
    pub ack: u32,
    /// TCP payload of the packet, of which `captured_bytes` were copied.
    pub payload_bytes: u32,
    /// A [`crate::message::Message`]: request or response.
    pub message: u8,
    /// 1 where the bytes follow those of the record before, of a head that did not end with its
    /// packet; such a packet has no journey.
    pub continues: u8,
    /// Zero.
    pub padding: [u8; 2],
    /// As the sender wrote the packet.
    pub sent: Tuple,
    /// Zero.
    pub padding_end: [u8; 4],
}

const _: () = assert!(size_of::<Head>() == 80);
