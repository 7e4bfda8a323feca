//! What the end-to-end tests need around the binary: processes, a collector, a trace.

pub(crate) mod app;
pub(crate) mod collector;
pub(crate) mod trace;
