//! Connections that cannot be opened: each is a span that carries the cause and the place, in the
//! trace of the request for which it was, where that can be one request only.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod correlation_tests;
mod fixture;
mod reason_tests;
