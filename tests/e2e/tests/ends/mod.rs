//! Connections that end while an answer is expected: every open exchange ends with the connection,
//! with the cause and the side that closed it as attributes.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod gave_up;
mod http1;
mod http2;
mod http2_streams;
mod silence;
mod unanswered;
