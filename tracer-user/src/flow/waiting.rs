//! Fragments of sockets of which it is not known yet whose they are.
//!
//! The agent has started in the middle of the connection; the journey of the packet, which comes
//! after its fragments, will say it.

use std::collections::HashMap;

use crate::decode::Fragment;

/// Sockets whose fragments wait.
const MAX_SOCKETS: usize = 1024;
/// Fragments of one socket that wait.
const MAX_FRAGMENTS: usize = 16;
/// How long they wait.
const WAIT_NS: u64 = 10_000_000_000;

/// Fragments by the cookie of the socket that sent them, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Waiting(HashMap<u64, Vec<Fragment>>);

impl Waiting {
    /// Keeps a fragment; how many were lost for want of room.
    pub(super) fn push(&mut self, fragment: Fragment) -> u64 {
        if self.0.len() >= MAX_SOCKETS && !self.0.contains_key(&fragment.sender_cookie) {
            return 1;
        }
        let fragments = self.0.entry(fragment.sender_cookie).or_default();
        if fragments.len() >= MAX_FRAGMENTS {
            return 1;
        }
        fragments.push(fragment);
        0
    }

    /// Hands over the fragments of a socket.
    pub(super) fn take(&mut self, cookie: u64) -> Vec<Fragment> {
        self.0.remove(&cookie).unwrap_or_default()
    }

    /// Lets go of those that wait in vain; how many.
    pub(super) fn expire(&mut self, now_ns: u64) -> u64 {
        let mut lost = 0;
        self.0.retain(|_, fragments| {
            let waits = fragments
                .last()
                .is_some_and(|fragment| now_ns.saturating_sub(fragment.start_ns) < WAIT_NS);
            if !waits {
                lost += fragments.len() as u64;
            }
            waits
        });
        lost
    }
}
