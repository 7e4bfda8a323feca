//! A socket's receive window closes (its receive buffer is full) or opens again.

use tracer_common::window as raw;
pub use tracer_common::window::WindowKind;

use super::{DecodeError, plain::from_prefix};

/// A change of the receive window of a socket that has received a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Cookie of the socket whose window it is.
    pub cookie: u64,
    /// Whether the window closed or opened.
    pub what: WindowKind,
    /// When it changed, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// When it closed, nanoseconds of `CLOCK_MONOTONIC`; not after `at_ns`.
    pub closed_ns: u64,
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Window, DecodeError> {
    let raw: raw::Window = from_prefix(bytes).ok_or(short)?;
    let what = WindowKind::try_from(raw.what).map_err(|value| DecodeError::Value {
        field: "window",
        value,
    })?;
    Ok(Window {
        cookie: raw.cookie,
        what,
        at_ns: raw.at_ns,
        closed_ns: raw.closed_ns.min(raw.at_ns),
    })
}
