//! Copies of what was received. In: requests as they came. Out: a file of OTLP/JSON lines ([`json`]), a collector
//! ([`forward`]). Neither knows spans or traces.

pub mod forward;
pub mod json;
