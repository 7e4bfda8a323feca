//! The agent: the I/O around the pure stages of `tracer-pipeline`. It reads the kernel, watches the
//! Kubernetes API and exports spans. A module does one kind of I/O; `run` and `doctor` combine
//! them.

pub mod attach;
pub mod capture;
#[deny(unsafe_code)]
pub mod cluster;
#[deny(unsafe_code)]
pub mod doctor;
#[deny(unsafe_code)]
pub mod error_chain;
#[deny(unsafe_code)]
pub mod export;
#[deny(unsafe_code)]
pub mod netlink;
pub mod rules;
#[deny(unsafe_code)]
pub mod run;
#[deny(unsafe_code)]
pub mod uplinks;
