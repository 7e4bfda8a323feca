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
}

const _: () = assert!(size_of::<Read>() == 24);

/// What the kernel remembers of a socket that receives heads.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// First byte of the newest head that came in. Written by the ingress hook only.
    pub newest_seq: u32,
    /// `copied_seq` of the last read that was reported. Written by the read hook only, but for
    /// the first value.
    pub reported_seq: u32,
}

const _: () = assert!(size_of::<Unread>() == 8);
