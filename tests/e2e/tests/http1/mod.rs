//! HTTP/1 connections byte by byte: what clients and servers may send beyond one request and one
//! response at a time.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod bodies;
mod body_heads;
mod case;
mod head_writes;
mod messages;
mod pipelining;
mod random;
mod response_ends;
mod switching;
mod traced_request;
