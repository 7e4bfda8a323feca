//! The names of pods, workloads and services on both sides of every exchange, from a Kubernetes API
//! and without one.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod address_tests;
mod dispatch_tests;
mod fixture;
mod host_network_tests;
