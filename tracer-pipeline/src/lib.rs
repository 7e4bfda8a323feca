//! From raw kernel records to spans.
//!
//! In: records as bytes, in the order in which the kernel sent them, and what the agent learnt beside
//! them (clocks, rules, who is who). Out: spans. No stage does I/O, reads a clock or starts a thread, so
//! a recording replays to the same spans on any machine. Only `recording`, the file format of raw
//! records, opens files.
//!
//! The stages in order; each imports earlier ones only (`cargo test -p xtask --test tidy` checks it):
//! `decode`, `flow`, `http`, `http2`, `path`, `kube_proxy`, `identity`, `span`, `pipeline`.

#![forbid(unsafe_code)]

#[cfg(test)]
mod conversation_tests;
pub mod decode;
pub mod flow;
pub mod http;
pub mod http2;
pub mod identity;
pub mod kube_proxy;
pub mod path;
pub mod pipeline;
pub mod recording;
pub mod redaction;
pub mod span;
