//! When the rules are read. In: when they were read and how long that took. Out: when next, and
//! whether legacy tables too, of which nobody can say whether they have changed. Reads no clock.

use std::time::{Duration, Instant};

/// How often the kernel is asked whether something has changed, though nobody said so: one short message
/// to nf_tables, and one getsockopt per table of the legacy back end where that is in use.
pub(super) const POLL: Duration = Duration::from_secs(5);

/// A change of many rules comes in many messages; the rules are read after the last of them.
const SETTLE: Duration = Duration::from_millis(50);

/// kube-proxy in nftables mode writes its rules at most once a second by default (`minSyncPeriod`), so
/// reading more often would find the same.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// A pause is so many times as long as the reading before it: the thread takes 5 % of one CPU at most,
/// however large the rules are and however often they change.
const PAUSE_PER_READ: u32 = 20;

/// Where the kernel cannot tell whether a legacy table is the same, it is read all the same. This
/// is how often, at most.
const LEGACY: Duration = Duration::from_secs(30);

/// The same for large tables: 1 % of one CPU.
const PAUSE_PER_LEGACY_READ: u32 = 100;

/// The times of the readings so far.
#[derive(Debug)]
pub(super) struct Pace {
    earliest: Instant,
    poll_at: Instant,
    legacy_at: Instant,
}

impl Pace {
    /// Nothing was read yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            earliest: now,
            poll_at: now,
            legacy_at: now,
        }
    }

    /// Whether it is time for the legacy tables, though their sizes are the same.
    pub(super) fn is_legacy_due(&self, now: Instant) -> bool {
        now >= self.legacy_at
    }

    /// Notes a reading that ended at `now`; `legacy`: the legacy tables were read in any case.
    pub(super) fn took(&mut self, legacy: bool, now: Instant, took: Duration) {
        self.earliest = now + MIN_PAUSE.max(took * PAUSE_PER_READ);
        self.poll_at = self.earliest.max(now + POLL);
        if legacy {
            self.legacy_at = now + LEGACY.max(took * PAUSE_PER_LEGACY_READ);
        }
    }

    /// When to ask next though nobody said that anything changed.
    pub(super) fn poll_at(&self) -> Instant {
        self.poll_at
    }

    /// When to read after a change that was told at `now`.
    pub(super) fn due_after_change(&self, now: Instant) -> Instant {
        self.earliest.max(now + SETTLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn reading_is_a_small_part_of_the_time() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(pace.is_legacy_due(start));
        for (took, pause, legacy) in [
            (MS, MIN_PAUSE, LEGACY),
            (100 * MS, 2000 * MS, LEGACY),
            (2000 * MS, 40_000 * MS, 200_000 * MS),
        ] {
            pace.took(true, start, took);
            let due = pace.due_after_change(start);
            assert_eq!(due - start, pause);
            assert_eq!(pace.poll_at() - start, POLL.max(pause));
            assert!(!pace.is_legacy_due(start + legacy - MS));
            assert!(pace.is_legacy_due(start + legacy));
        }
    }

    #[test]
    fn a_change_after_a_pause_is_read_when_it_has_settled() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.took(false, start, MS);
        let later = start + 10 * MIN_PAUSE;
        assert_eq!(pace.due_after_change(later) - later, SETTLE);
        assert!(pace.is_legacy_due(later), "there was none yet");
    }
}
