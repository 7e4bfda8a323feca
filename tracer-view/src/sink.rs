//! Passes on what was received. In: requests as they came. Out: a file of OTLP/JSON lines
//! ([`json`]), and requests to a collector ([`forward`]). Knows neither spans nor traces.

pub mod forward;
pub mod json;
