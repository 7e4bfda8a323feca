//! An application has read from a socket that held an unread head.

use tracer_common::read as raw;

use super::{DecodeError, plain::from_prefix};

/// Everything before `read_seq` has left the socket's receive queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Cookie of the reading socket.
    pub cookie: u64,
    /// The next byte that the application will read.
    pub read_seq: u32,
    /// When the read returned, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Read, DecodeError> {
    let raw: raw::Read = from_prefix(bytes).ok_or(short)?;
    Ok(Read {
        cookie: raw.cookie,
        read_seq: raw.read_seq,
        at_ns: raw.at_ns,
    })
}
