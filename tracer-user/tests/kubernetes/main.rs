//! The watches against an API server that speaks the real protocol, goes away, forgets, and floods.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod away_tests;
mod cluster;
mod watch_tests;
