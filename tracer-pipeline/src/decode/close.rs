//! A socket has closed, or its peer has sent the last of its bytes.

use tracer_common::close as raw;
pub use tracer_common::close::CloseKind;

use super::{DecodeError, plain::from_prefix};

/// What happened to a socket that has sent or received a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Cookie of the socket.
    pub cookie: u64,
    /// What.
    pub what: CloseKind,
    /// When, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The errno with which the connection ended; `None` where it did not fail.
    pub error: Option<u32>,
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Close, DecodeError> {
    let raw: raw::Close = from_prefix(bytes).ok_or(short)?;
    let what = CloseKind::try_from(raw.what).map_err(|value| DecodeError::Value {
        field: "close",
        value,
    })?;
    Ok(Close {
        cookie: raw.cookie,
        what,
        at_ns: raw.at_ns,
        error: (raw.error != 0).then_some(raw.error),
    })
}
