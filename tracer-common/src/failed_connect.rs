//! A connection that was not established: the client's socket went from SYN_SENT to CLOSE.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::tuple::Tuple;

/// A failed connect(2).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct FailedConnect {
    /// [`crate::RecordKind::FailedConnect`].
    pub kind: u32,
    /// The errno: `sock.sk_err`, or that of an ICMP error which the socket keeps; 0 if the
    /// application has closed the socket without an error.
    pub error: u32,
    /// When connect(2) was called.
    pub began_ns: u64,
    /// When the socket was closed.
    pub at_ns: u64,
    /// Cookie of the socket.
    pub cookie: u64,
    /// The cgroup v2 id of the process that called connect(2).
    pub cgroup: u64,
    /// That process (kernel: `task_struct.tgid`), by its number in the initial PID namespace.
    pub tgid: u32,
    /// The tuple of the packets that the socket sends, before any translation. The source port is 0
    /// if none was chosen yet.
    pub tuple: Tuple,
}

const _: () = assert!(size_of::<FailedConnect>() == 80);
