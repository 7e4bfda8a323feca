//! `hopspan watch`, and the agent's `/exchanges`: what it shows, to whom, and that it delays nothing.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod access_tests;
mod shown_tests;
mod slow_tests;
mod untraced_tests;
mod watcher;

pub(crate) use watcher::Watcher;
use watcher::ask;
