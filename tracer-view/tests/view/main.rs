//! The viewer from OTLP to text. Expected text is in `tests/expected`; with UPDATE_EXPECTED=1 the
//! tests write it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decoded;
mod fixture;
mod halves;
mod page;
mod printed;
mod running_viewer;

mod compare;
mod critical_path;
mod decode;
mod hostile;
mod merge;
mod merge_otlp;
mod merge_parts;
mod receive;
mod report;
mod run;
mod sinks;
mod store;
mod tree;
mod waterfall;
