//! A connection that could not be opened.

use tracer_common::failed_connect as raw;

use super::{DecodeError, Tuple, plain::from_prefix};

/// Who tried to connect, where to, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedConnect {
    /// Cookie of the socket.
    pub cookie: u64,
    /// When connect(2) was called, nanoseconds of `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// When it had failed, nanoseconds of `CLOCK_MONOTONIC`; never before it began.
    pub at_ns: u64,
    /// The errno with which it failed; `None` where the application gave up.
    pub error: Option<u32>,
    /// The process that called connect(2), by its number in the machine's own PID namespace.
    pub tgid: u32,
    /// The cgroup v2 id of that process.
    pub cgroup: u64,
    /// As the socket writes it on its packets; the port of the source is 0 where none was chosen.
    pub sent: Tuple,
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<FailedConnect, DecodeError> {
    let raw: raw::FailedConnect = from_prefix(bytes).ok_or(short)?;
    Ok(FailedConnect {
        cookie: raw.cookie,
        began_ns: raw.began_ns,
        at_ns: raw.at_ns.max(raw.began_ns),
        error: (raw.error != 0).then_some(raw.error),
        tgid: raw.tgid,
        cgroup: raw.cgroup,
        sent: raw.tuple.into(),
    })
}
