//! An application has read from a socket that had an unread head.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A read of everything before `read_seq` from the receive queue of a socket.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct Read {
    /// [`crate::RecordKind::Read`].
    pub kind: u32,
    /// `tcp_sock.copied_seq`: the next byte that the application will read.
    pub read_seq: u32,
    /// When the read returned.
    pub at_ns: u64,
    /// Cookie of the reading socket.
    pub cookie: u64,
    /// The reading process (kernel: `task_struct.tgid`), by its number in the initial PID
    /// namespace; 0 if not known.
    pub tgid: u32,
    /// How many bytes lie between the position that the read before, or its lost record, had
    /// reported, and `read_seq`; at the first read, between the first head and `read_seq`. 0 in older
    /// recordings.
    pub new_bytes: u32,
}

/// Size of the record without `tgid` and what follows, as in older recordings.
pub const READ_MIN_BYTES: usize = core::mem::offset_of!(Read, tgid);

const _: () = assert!(size_of::<Read>() == 32 && READ_MIN_BYTES == 24);
