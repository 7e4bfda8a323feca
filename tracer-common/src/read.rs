//! An application has read from a socket that held an unread head.

/// Everything before `read_seq` has left the receive queue of the socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// [`crate::RecordKind::Read`].
    pub kind: u32,
    /// `tcp_sock.copied_seq`: the next byte that the application will read.
    pub read_seq: u32,
    /// When the read returned.
    pub at_ns: u64,
    /// Cookie of the reading socket.
    pub cookie: u64,
    /// The process that has read (kernel: `task_struct.tgid`), by its number in the machine's own PID
    /// namespace; 0 when not known.
    pub tgid: u32,
    /// Zero.
    pub padding: u32,
}

/// Without `tgid` and what follows: so it was before there was a `tgid`, and so it is in recordings
/// made then.
pub const READ_MIN_BYTES: usize = core::mem::offset_of!(Read, tgid);

const _: () = assert!(size_of::<Read>() == 32 && READ_MIN_BYTES == 24);
