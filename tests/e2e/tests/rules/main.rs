//! kube-proxy's rules, read from the kernel: a real kube-proxy's dumps are loaded into a network
//! namespace of the test's own, in every form that kube-proxy writes, and read without any program.

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
