//! Processes, a collector and traces for the end-to-end tests.

pub(crate) mod app;
pub(crate) mod collector;
pub(crate) mod trace;
