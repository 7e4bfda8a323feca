//! Connections that cannot be opened: each is a span that says where and why, in the trace of the request
//! for which it was, where a single one can be meant.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod correlation_tests;
mod fixture;
mod reason_tests;
