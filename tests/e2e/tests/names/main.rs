//! Who is who: the agent beside a Kubernetes API, and without one, names pods, workloads and
//! services on both sides of every exchange.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod address_tests;
mod dispatch_tests;
mod fixture;
mod host_network_tests;
