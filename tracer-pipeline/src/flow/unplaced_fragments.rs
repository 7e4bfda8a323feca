//! Fragments that wait until their connection is known.
//!
//! Where the agent starts in the middle of a connection, the first journey makes the connection
//! known, and the journey of a packet comes after its fragments.

use std::collections::{HashMap, VecDeque};

use crate::decode::{Fragment, Journey};

use super::Side;

/// Bound on sockets with waiting fragments.
const MAX_SOCKETS: usize = 1024;
/// Bound on waiting fragments of one socket.
const MAX_FRAGMENTS: usize = 16;
/// Bound on the bytes of all waiting fragments.
pub(crate) const MAX_BYTES: usize = 8 << 20;
/// How long fragments wait after the newest of their socket.
const WAIT_NS: u64 = 10_000_000_000;

/// Fragments by the cookie of the sending socket, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct UnplacedFragments {
    by_sender: HashMap<u64, VecDeque<Fragment>>,
    bytes: usize,
}

impl UnplacedFragments {
    /// Keeps a fragment. Returns how many fragments were discarded because a bound was reached.
    pub(super) fn push(&mut self, fragment: Fragment) -> u64 {
        let cookie = fragment.sender_cookie;
        let others = &mut self.by_sender;
        if others.len() >= MAX_SOCKETS && !others.contains_key(&cookie) {
            return 1;
        }
        let fragments = others.entry(cookie).or_default();
        self.bytes += fragment.bytes.len();
        fragments.push_back(fragment);
        let mut lost = 0;
        while fragments.len() > MAX_FRAGMENTS || self.bytes > MAX_BYTES {
            // The oldest is discarded, so that the kept fragments are contiguous with the next one.
            let Some(oldest) = fragments.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
            lost += 1;
        }
        match fragments.front_mut() {
            // It now begins in the middle of the connection, with a gap before it.
            Some(first) if lost > 0 => {
                first.lost_before = true;
                first.recognised = true;
            }
            Some(_) => {}
            None => {
                others.remove(&cookie);
            }
        }
        lost
    }

    /// Removes and returns the fragments of a socket.
    pub(super) fn take(&mut self, cookie: u64) -> VecDeque<Fragment> {
        let fragments = self.by_sender.remove(&cookie).unwrap_or_default();
        self.bytes -= bytes(&fragments);
        fragments
    }

    /// Removes and returns the fragments of both sockets of a journey, in the order of their packets.
    /// `side` is the sender's.
    pub(super) fn take_with(&mut self, journey: &Journey, side: Side) -> Vec<(Side, Fragment)> {
        let sockets = [
            (side, journey.sender_cookie),
            (side.other(), journey.receiver_cookie),
        ];
        let mut waiting = Vec::new();
        for (side, cookie) in sockets {
            let fragments = self.take(cookie).into_iter();
            waiting.extend(fragments.map(|fragment| (side, fragment)));
        }
        waiting.sort_by_key(|(_, fragment)| fragment.start_ns);
        waiting
    }

    /// Discards the fragments that have waited too long. Returns how many.
    pub(super) fn expire(&mut self, now_ns: u64) -> u64 {
        let mut lost = 0;
        let all_bytes = &mut self.bytes;
        self.by_sender.retain(|_, fragments| {
            let waits = fragments
                .back()
                .is_some_and(|fragment| now_ns.saturating_sub(fragment.start_ns) < WAIT_NS);
            if !waits {
                lost += fragments.len() as u64;
                *all_bytes -= bytes(fragments);
            }
            waits
        });
        lost
    }
}

fn bytes(fragments: &VecDeque<Fragment>) -> usize {
    fragments.iter().map(|fragment| fragment.bytes.len()).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::flow::tests::fragment;

    #[test]
    fn the_bytes_of_all_sockets_are_bounded() {
        let mut fragments = UnplacedFragments::default();
        let large = |cookie, seq| Fragment {
            bytes: Bytes::from(vec![0; MAX_BYTES / 4]),
            ..fragment(cookie, seq)
        };
        assert_eq!(
            (0..4)
                .map(|cookie| fragments.push(large(cookie, 0)))
                .sum::<u64>(),
            0
        );
        assert_eq!(fragments.push(large(4, 0)), 1);
        assert!(fragments.take(4).is_empty());
        // A socket that has some gives up its own oldest ones.
        assert_eq!(fragments.push(large(3, 1)), 1);
        assert_eq!(fragments.bytes, MAX_BYTES);
        let kept = fragments.take(3);
        assert!(kept.len() == 1 && kept[0].seq == 1 && kept[0].lost_before);
        assert_eq!(fragments.expire(WAIT_NS), 3);
        assert_eq!(fragments.bytes, 0);
    }

    #[test]
    fn the_newest_are_kept_and_the_gap_before_them_is_marked() {
        let mut fragments = UnplacedFragments::default();
        let last = MAX_FRAGMENTS as u32 + 2;
        let lost: u64 = (0..last).map(|seq| fragments.push(fragment(7, seq))).sum();
        assert_eq!(lost, 2);
        let kept = fragments.take(7);
        let seqs: Vec<u32> = kept.iter().map(|fragment| fragment.seq).collect();
        assert_eq!(seqs, (2..last).collect::<Vec<u32>>());
        let marked: Vec<bool> = kept.iter().map(|fragment| fragment.lost_before).collect();
        assert_eq!(marked.iter().filter(|marked| **marked).count(), 1);
        assert!(kept[0].lost_before && kept[0].recognised);
    }

    #[test]
    fn waiting_fragments_are_bounded_and_expire() {
        let mut fragments = UnplacedFragments::default();
        let lost: u64 = (0..MAX_SOCKETS as u64 + 5)
            .map(|cookie| fragments.push(fragment(cookie, 0)))
            .sum();
        assert_eq!(lost, 5);
        assert_eq!(fragments.expire(WAIT_NS), MAX_SOCKETS as u64);
        assert!(fragments.take(0).is_empty());
    }
}
