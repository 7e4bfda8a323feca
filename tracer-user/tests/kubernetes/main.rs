//! The watches against an API server that goes away, expires versions, cuts connections, and
//! floods.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod away_tests;
mod cluster;
mod watch_tests;
