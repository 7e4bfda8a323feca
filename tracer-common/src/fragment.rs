//! A piece of HTTP/2: one frame, several that follow each other, or a part of one. Of DATA only the
//! header of the frame that ends a stream.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::tuple::Tuple;

/// Most bytes of one fragment, as many as of a head of HTTP/1.
pub const MAX_FRAGMENT_BYTES: usize = 16 * 1024;

/// Flag: the first byte is the first of a frame header.
pub const STARTS_FRAME: u8 = 1;
/// Flag: the last frame has more bytes, which were not copied.
pub const CUT: u8 = 2;
/// Flag: frame boundaries were lost before this fragment, and found again, unless the fragment is
/// empty.
pub const LOST_BEFORE: u8 = 4;
/// Flag: the connection was recognised by its frames, not by its preface.
pub const RECOGNISED: u8 = 8;

/// The header of the copied bytes on the ring buffer.
///
/// If HEADERS start in the packet, it has a journey with the same `sender_cookie`, `start_ns` and,
/// as its `seq`, `packet_seq`. Other packets have none.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct Fragment {
    /// [`crate::RecordKind::Fragment`].
    pub kind: u32,
    /// Bytes that follow this structure. The record may be longer.
    pub captured_bytes: u32,
    /// When the packet left the sending socket, or arrived from another node.
    pub start_ns: u64,
    /// Cookie of the sending socket, or the synthetic one of a socket on another node.
    pub sender_cookie: u64,
    /// TCP sequence number of the packet.
    pub packet_seq: u32,
    /// TCP sequence number of the first byte. Before `packet_seq` if a frame header began in the
    /// packet before.
    pub seq: u32,
    /// [`STARTS_FRAME`], [`CUT`], [`LOST_BEFORE`], [`RECOGNISED`].
    pub flags: u8,
    /// Bytes at the end of `prefix` that precede the copied ones: 0 or 9.
    pub prefix_bytes: u8,
    /// Zero.
    pub padding: [u8; 2],
    /// The tuple of the packet as it was sent, or as it arrived from another node.
    pub sent: Tuple,
    /// Ends with a frame header that began in the packet before, so that the header and the copied
    /// bytes are contiguous.
    pub prefix: [u8; 16],
}

const _: () = assert!(size_of::<Fragment>() == 88);
