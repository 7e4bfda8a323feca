//! Reading kube-proxy's rules from the kernel. Dumps of a real kube-proxy, in every form that it
//! writes, are loaded into a network namespace of the test's own and read without any program.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod change_tests;
mod dumps;
mod ipv6;
mod large;
mod mode_tests;
mod namespace;
mod recording;
mod size_tests;
