//! The agent: everything around the pure stages of `tracer-pipeline` that reads the kernel, asks the
//! Kubernetes API, or sends.

pub mod attach;
pub mod capture;
#[deny(unsafe_code)]
pub mod cluster;
#[deny(unsafe_code)]
pub mod doctor;
#[deny(unsafe_code)]
pub mod export;
#[deny(unsafe_code)]
pub mod run;
