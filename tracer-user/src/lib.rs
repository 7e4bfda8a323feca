//! The agent: everything around the pure stages of `tracer-pipeline` that reads the kernel, asks the
//! Kubernetes API, or sends. A module does one kind of I/O; `run` and `doctor` put them together.

pub mod attach;
pub mod capture;
#[deny(unsafe_code)]
pub mod cluster;
#[deny(unsafe_code)]
pub mod doctor;
#[deny(unsafe_code)]
mod error_chain;
#[deny(unsafe_code)]
pub mod export;
#[deny(unsafe_code)]
mod netlink;
pub mod rules;
#[deny(unsafe_code)]
pub mod run;
#[deny(unsafe_code)]
pub mod uplinks;
