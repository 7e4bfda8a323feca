//! A socket has closed, or one of its two ends has sent its FIN.

use tracer_common::close as raw;
pub use tracer_common::close::CloseKind;

use super::{DecodeError, plain::from_prefix};

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
