//! HTTP/2 and gRPC, from pieces of frames to what happens on each stream.
//!
//! In: the frames of one connection that carry no body, in order for each direction, some of them
//! lost. Out: [`streams::Event`]s. Bytes go `fragments` -> `frame` -> `block` -> `hpack` ->
//! `headers` -> `streams`. Knows no socket, no packet and no time; never sees DATA payload.
//!
//! It observes and cannot ask again: whatever it does not know for sure it calls unknown.

pub mod block;
pub mod fragments;
pub mod frame;
pub mod fuzz;
pub mod headers;
pub mod hpack;
pub mod pairing;
pub mod streams;
#[cfg(test)]
mod wire;

pub use fragments::FrameFragment;
pub use streams::{Direction, Event, Http2Connection, Start};
