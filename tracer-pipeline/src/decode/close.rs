//! A socket has closed, or one of its two ends has sent its FIN.

use tracer_common::close as raw;
pub use tracer_common::close::CloseKind;

use super::{DecodeError, plain::from_cut};

/// The close of a socket that has sent or received a message, or the FIN of one of its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Cookie of the socket.
    pub cookie: u64,
    /// Which of them happened.
    pub what: CloseKind,
    /// When it happened, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The socket's error (`sk_err`) as an errno; `None` where it has none.
    pub error: Option<u32>,
    /// TCP sequence number behind the last byte that the socket has received in order; the peer's
    /// FIN counts as one byte. `None` for a socket of MPTCP, and in recordings whose close records
    /// lack the field.
    pub received_seq: Option<u32>,
    /// TCP sequence number behind the last byte that the socket has sent; its FIN counts as one
    /// byte. `None` as for `received_seq`.
    pub sent_seq: Option<u32>,
    /// When a record of any socket was last lost between kernel and agent, nanoseconds of
    /// `CLOCK_MONOTONIC`; 0 if none was.
    pub last_loss_ns: u64,
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Close, DecodeError> {
    if bytes.len() < raw::CLOSE_MIN_BYTES {
        return Err(short);
    }
    let raw: raw::Close = from_cut(bytes);
    let what = CloseKind::try_from(raw.what).map_err(|value| DecodeError::Value {
        field: "close",
        value,
    })?;
    let has_seqs = raw.has_seqs != 0 && bytes.len() >= raw::CLOSE_SEQS_BYTES;
    Ok(Close {
        cookie: raw.cookie,
        what,
        at_ns: raw.at_ns,
        error: (raw.error != 0).then_some(raw.error),
        received_seq: has_seqs.then_some(raw.received_seq),
        sent_seq: has_seqs.then_some(raw.sent_seq),
        last_loss_ns: raw.last_loss_ns,
    })
}
