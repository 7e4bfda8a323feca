//! What goes wrong is caused for real, and told where it happened: as an error or an event of the span
//! it belongs to, with the kernel's reason and the hop, and as a counter.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod conntrack;
mod fixture;
mod lost_syn;
mod network_policy;
mod refused;
mod reset;
mod zero_window;
