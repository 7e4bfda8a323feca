//! The agent, in pipeline order: a stage imports earlier stages and `tracer-common`, never a later
//! one. From `decode` to `span` the stages are pure: no I/O, no clock, no spawning.

pub mod attach;
pub mod capture;
#[deny(unsafe_code)]
pub mod counts;
pub mod decode;
#[deny(unsafe_code)]
pub mod doctor;
#[deny(unsafe_code)]
pub mod export;
#[deny(unsafe_code)]
pub mod flow;
#[deny(unsafe_code)]
pub mod http;
#[deny(unsafe_code)]
pub mod http2;
#[deny(unsafe_code)]
pub mod identity;
#[deny(unsafe_code)]
pub mod path;
#[deny(unsafe_code)]
pub mod pipeline;
#[deny(unsafe_code)]
pub mod run;
#[deny(unsafe_code)]
pub mod span;
