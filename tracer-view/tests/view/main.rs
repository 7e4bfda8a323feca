//! The viewer from OTLP to text and back out. Expected text is in `tests/expected`; UPDATE_EXPECTED=1 writes it anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compare;
mod copies;
mod decode;
mod fixture;
mod halves;
mod hostile;
mod receive;
mod running;
mod store;
mod tree;
mod waterfall;
