//! A connect(2) that failed.

use tracer_common::failed_connect as raw;

use super::{DecodeError, Tuple, plain::from_prefix};

/// A failed connect: the process, the addresses and the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedConnect {
    /// Cookie of the socket.
    pub cookie: u64,
    /// When connect(2) was called, nanoseconds of `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// When the connect failed, nanoseconds of `CLOCK_MONOTONIC`; not before `began_ns`.
    pub at_ns: u64,
    /// The errno of the failure; `None` where the application closed the socket first.
    pub error: Option<u32>,
    /// The process that called connect(2), by its id in the initial PID namespace.
    pub tgid: u32,
    /// The cgroup v2 id of that process.
    pub cgroup: u64,
    /// Addresses as the socket writes them on its packets. The source port is 0 where the kernel
    /// chose none.
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
