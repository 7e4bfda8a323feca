//! Faults that the tests really cause: each is an error or an event of the span that it belongs to,
//! with the kernel's reason and the hop, and is counted.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod conntrack;
mod fixture;
mod lost_syn;
mod network_policy;
mod no_route;
mod refused;
mod reset;
mod stack;
mod unanswered;
mod zero_window;
