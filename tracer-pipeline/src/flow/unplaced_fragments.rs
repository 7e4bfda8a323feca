//! Fragments of sockets of which it is not known yet whose they are.
//!
//! The agent has started in the middle of the connection; the journey of the packet, which comes
//! after its fragments, will say it.

use std::collections::{HashMap, VecDeque};

use crate::decode::Fragment;

/// Sockets whose fragments wait.
const MAX_SOCKETS: usize = 1024;
/// Fragments of one socket that wait.
const MAX_FRAGMENTS: usize = 16;
/// How long they wait.
const WAIT_NS: u64 = 10_000_000_000;

/// Fragments by the cookie of the socket that sent them, in the order they came.
#[derive(Debug, Default)]
pub(super) struct UnplacedFragments(HashMap<u64, VecDeque<Fragment>>);

impl UnplacedFragments {
    /// Keeps a fragment; how many were lost for want of room.
    pub(super) fn push(&mut self, fragment: Fragment) -> u64 {
        if self.0.len() >= MAX_SOCKETS && !self.0.contains_key(&fragment.sender_cookie) {
            return 1;
        }
        let fragments = self.0.entry(fragment.sender_cookie).or_default();
        fragments.push_back(fragment);
        if fragments.len() <= MAX_FRAGMENTS {
            return 0;
        }
        // The oldest goes, so that what is placed later follows what is kept. The one after it
        // begins in the middle of the connection, whatever was seen of its start.
        fragments.pop_front();
        if let Some(first) = fragments.front_mut() {
            first.lost_before = true;
            first.recognised = true;
        }
        1
    }

    /// Hands over the fragments of a socket.
    pub(super) fn take(&mut self, cookie: u64) -> VecDeque<Fragment> {
        self.0.remove(&cookie).unwrap_or_default()
    }

    /// Lets go of those that wait in vain; how many.
    pub(super) fn expire(&mut self, now_ns: u64) -> u64 {
        let mut lost = 0;
        self.0.retain(|_, fragments| {
            let waits = fragments
                .back()
                .is_some_and(|fragment| now_ns.saturating_sub(fragment.start_ns) < WAIT_NS);
            if !waits {
                lost += fragments.len() as u64;
            }
            waits
        });
        lost
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::decode::Tuple;

    fn fragment(cookie: u64, seq: u32) -> Fragment {
        let address = "10.244.0.2:40000".parse().unwrap();
        Fragment {
            start_ns: u64::from(seq),
            sender_cookie: cookie,
            packet_seq: seq,
            seq,
            starts_frame: true,
            cut: false,
            lost_before: false,
            recognised: false,
            sent: Tuple {
                source: address,
                destination: address,
            },
            bytes: Bytes::new(),
        }
    }

    #[test]
    fn the_newest_are_kept_and_the_gap_before_them_is_marked() {
        let mut waiting = UnplacedFragments::default();
        let last = MAX_FRAGMENTS as u32 + 2;
        let lost: u64 = (0..last).map(|seq| waiting.push(fragment(7, seq))).sum();
        assert_eq!(lost, 2);
        let kept = waiting.take(7);
        let seqs: Vec<u32> = kept.iter().map(|fragment| fragment.seq).collect();
        assert_eq!(seqs, (2..last).collect::<Vec<u32>>());
        let marked: Vec<bool> = kept.iter().map(|fragment| fragment.lost_before).collect();
        assert_eq!(marked.iter().filter(|marked| **marked).count(), 1);
        assert!(kept[0].lost_before && kept[0].recognised);
    }

    #[test]
    fn what_waits_is_bounded_and_expires() {
        let mut waiting = UnplacedFragments::default();
        let lost: u64 = (0..MAX_SOCKETS as u64 + 5)
            .map(|cookie| waiting.push(fragment(cookie, 0)))
            .sum();
        assert_eq!(lost, 5);
        assert_eq!(waiting.expire(WAIT_NS), MAX_SOCKETS as u64);
        assert!(waiting.take(0).is_empty());
    }
}
