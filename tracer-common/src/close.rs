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
    /// 1 if the two sequence numbers are known, else 0: only a `struct tcp_sock` has them, and the
    /// `struct sock` of MPTCP is none.
    pub has_seqs: u32,
    /// `tcp_sock.rcv_nxt`: behind the last byte that was received in order. The peer's FIN counts
    /// as one byte.
    pub received_seq: u32,
    /// `tcp_sock.snd_nxt`: behind the last byte that was sent. The socket's FIN counts as one byte,
    /// once it is sent.
    pub sent_seq: u32,
    /// When a record of any socket was last lost on its way to the agent; 0 if none was. It may have
    /// been one of this connection.
    pub last_loss_ns: u64,
}

/// Size of the record without the sequence numbers, as in older recordings, where `has_seqs` is 0.
pub const CLOSE_MIN_BYTES: usize = core::mem::offset_of!(Close, received_seq);
/// Size of the record with the sequence numbers, and without what follows.
pub const CLOSE_SEQS_BYTES: usize = core::mem::offset_of!(Close, last_loss_ns);

const _: () = assert!(size_of::<Close>() == 48 && CLOSE_SEQS_BYTES == 40 && CLOSE_MIN_BYTES == 32);
