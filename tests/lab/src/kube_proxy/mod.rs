//! kube-proxy's rules in iptables mode, for a lab's services.
//!
//! In: services with their endpoints. Out: chain names and the text for iptables-restore.
//! What a rule looks like is checked against what a real kube-proxy wrote, in testdata.

mod chain;
mod payload;
mod service;

pub use chain::{endpoint_chain, service_chain};
pub use payload::payload;
pub use service::{Protocol, Service};
