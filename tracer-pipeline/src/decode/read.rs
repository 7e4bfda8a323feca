//! An application has read from a socket that held an unread head.

use tracer_common::read as raw;

use super::{DecodeError, plain::from_cut};

/// A read by the application: all bytes before `read_seq` have left the socket's receive queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Cookie of the reading socket.
    pub cookie: u64,
    /// TCP sequence number of the next byte that the application will read.
    pub read_seq: u32,
    /// When the read returned, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The reading process, by its id in the initial PID namespace. `None` in recordings whose read
    /// records lack the field.
    pub tgid: Option<u32>,
    /// What lies before this sequence number was read before, though the record of that may be lost.
    /// `None` in recordings whose read records lack the field.
    pub new_from: Option<u32>,
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Read, DecodeError> {
    if bytes.len() < raw::READ_MIN_BYTES {
        return Err(short);
    }
    let raw: raw::Read = from_cut(bytes);
    Ok(Read {
        cookie: raw.cookie,
        read_seq: raw.read_seq,
        at_ns: raw.at_ns,
        tgid: (raw.tgid != 0).then_some(raw.tgid),
        new_from: (raw.new_bytes != 0).then(|| raw.read_seq.wrapping_sub(raw.new_bytes)),
    })
}
