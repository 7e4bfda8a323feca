//! A piece of HTTP/2: one frame or several that follow each other, or a part of one; never DATA.

use crate::tuple::Tuple;

/// Most bytes of one fragment, as of a head of HTTP/1.
pub const MAX_FRAGMENT_BYTES: usize = 16 * 1024;

/// Flag: the first byte is the first of a frame header.
pub const STARTS_FRAME: u8 = 1;
/// Flag: the last frame goes on in this packet, but was not copied further.
pub const CUT: u8 = 2;
/// Flag: frame boundaries were lost before this fragment, and found again.
pub const LOST_BEFORE: u8 = 4;
/// Flag: the connection was recognised by its frames, not by its preface.
pub const RECOGNISED: u8 = 8;

/// What precedes the copied bytes on the ring buffer.
///
/// A fragment and the journey of its packet have the same `sender_cookie`, `packet_seq` and
/// `start_ns`, where HEADERS start in the packet; other packets have no journey.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// [`crate::RecordKind::Fragment`].
    pub kind: u32,
    /// Bytes that follow this structure; the record itself may be longer.
    pub captured_bytes: u32,
    /// When the packet was opened at the sending socket.
    pub start_ns: u64,
    /// Cookie of the sending socket.
    pub sender_cookie: u64,
    /// TCP sequence number of the packet.
    pub packet_seq: u32,
    /// TCP sequence number of the first byte; before `packet_seq` where a frame header began in the
    /// packet before.
    pub seq: u32,
    /// [`STARTS_FRAME`], [`CUT`], [`LOST_BEFORE`], [`RECOGNISED`].
    pub flags: u8,
    /// How many bytes at the end of `prefix` precede the copied ones: 0, or 9.
    pub prefix_bytes: u8,
    /// Zero.
    pub padding: [u8; 2],
    /// As the sender wrote the packet.
    pub sent: Tuple,
    /// Ends with a frame header that began in the packet before, so that it and the copied bytes
    /// are in one piece.
    pub prefix: [u8; 16],
}

const _: () = assert!(size_of::<Fragment>() == 88);
