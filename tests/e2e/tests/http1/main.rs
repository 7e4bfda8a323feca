//! HTTP/1 as it is on real connections, byte by byte: what a client and a server may do beyond one
//! request and one response at a time.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod asked;
mod bodies;
mod messages;
mod pipelining;
mod switching;
