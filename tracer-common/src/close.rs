//! A socket has closed, or one of its two ends has sent its last byte.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::from_number::from_number;

/// The change of a socket.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseKind {
    /// The connection has ended (kernel: TCP_CLOSE).
    Closed = 1,
    /// The peer sends no more (kernel: TCP_CLOSE_WAIT).
    PeerFinished = 2,
    /// This end sends and reads no more, and its FIN is on its way (kernel: TCP_FIN_WAIT1 or
    /// TCP_LAST_ACK with both directions shut down). A half-closed socket, which still reads, has
    /// not finished.
    Finished = 3,
}

from_number!(CloseKind: u32, Closed, PeerFinished, Finished);

/// The change of a socket that has sent or received a message.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct Close {
    /// [`crate::RecordKind::Close`].
    pub kind: u32,
    /// A [`CloseKind`].
    pub what: u32,
    /// When it happened.
    pub at_ns: u64,
    /// Cookie of the socket.
    pub cookie: u64,
    /// `sock.sk_err`: the errno with which the connection ended; 0 if it did not fail.
    pub error: u32,
    /// Zero.
    pub padding: u32,
}

const _: () = assert!(size_of::<Close>() == 32);
