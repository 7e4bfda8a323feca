//! A connection that could not be opened: its client's socket went from SYN_SENT to CLOSE.

use crate::tuple::Tuple;

/// Who tried to connect, where to, and how it ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedConnect {
    /// [`crate::RecordKind::FailedConnect`].
    pub kind: u32,
    /// The errno with which it failed: `sock.sk_err`, or what an ICMP error left on the socket; 0 where
    /// the application gave up without one.
    pub error: u32,
    /// When connect(2) was called.
    pub began_ns: u64,
    /// When it had failed.
    pub at_ns: u64,
    /// Cookie of the socket.
    pub cookie: u64,
    /// The cgroup v2 id of the process that called connect(2).
    pub cgroup: u64,
    /// That process (kernel: `task_struct.tgid`), by its number in the machine's own PID namespace.
    pub tgid: u32,
    /// As the socket writes it on its packets, before any translation. The port of the source is 0
    /// where none had been chosen yet.
    pub tuple: Tuple,
}

const _: () = assert!(size_of::<FailedConnect>() == 80);
