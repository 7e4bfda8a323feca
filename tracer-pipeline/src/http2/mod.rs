//! HTTP/2 and gRPC, from fragments of frames to exchanges on streams.
//!
//! In: the frames of one connection that carry no body, and the headers of those that end one, in
//! order for each direction, some of them lost. Out: [`streams::Event`]s. Bytes go `fragments` ->
//! `frame` -> `block` -> `hpack` -> `headers` -> `streams`. Apart from `pairing`, independent of
//! sockets, packets and time; never receives DATA payload.
//!
//! A passive observer cannot request a lost frame: whatever is uncertain is reported as unknown.

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
