//! When kube-proxy's rules are read. In: the time and duration of each reading. Out: the time of
//! the next, and whether it includes the legacy tables, whose changes the kernel does not report.
//! Reads no clock.

use std::time::{Duration, Instant};

/// How often the kernel is asked for changes without a notification: one short message to
/// nf_tables, and one getsockopt per table of the legacy back end where that is in use.
pub(super) const POLL: Duration = Duration::from_secs(5);

/// A change of many rules comes in many messages; the rules are read after the last of them.
const SETTLE: Duration = Duration::from_millis(50);

/// kube-proxy in nftables mode writes its rules at most once a second by default (`minSyncPeriod`),
/// so more frequent readings would find the same rules.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// The pause after a reading, in multiples of its duration: the thread takes at most 5 % of one
/// CPU, however many rules there are and however often they change.
const PAUSE_PER_READ: u32 = 20;

/// The shortest time between two readings of a legacy table whose sizes are the same: it may have
/// changed nevertheless.
const LEGACY: Duration = Duration::from_secs(30);

/// The same pause for large legacy tables, in multiples of the duration of a reading: 1 % of one
/// CPU.
const PAUSE_PER_LEGACY_READ: u32 = 100;

/// The earliest times of the next readings.
#[derive(Debug)]
pub(super) struct ReadSchedule {
    earliest: Instant,
    poll_at: Instant,
    legacy_at: Instant,
}

impl ReadSchedule {
    /// The schedule before the first reading: everything is due.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            earliest: now,
            poll_at: now,
            legacy_at: now,
        }
    }

    /// Whether the legacy tables are due although their sizes are the same.
    pub(super) fn is_legacy_due(&self, now: Instant) -> bool {
        now >= self.legacy_at
    }

    /// Records a reading that ended at `now`. `legacy`: it included unchanged legacy tables.
    pub(super) fn took(&mut self, legacy: bool, now: Instant, took: Duration) {
        self.earliest = now + MIN_PAUSE.max(took * PAUSE_PER_READ);
        self.poll_at = self.earliest.max(now + POLL);
        if legacy {
            self.legacy_at = now + LEGACY.max(took * PAUSE_PER_LEGACY_READ);
        }
    }

    /// When to ask the kernel next if no notification comes.
    pub(super) fn poll_at(&self) -> Instant {
        self.poll_at
    }

    /// When to read after a notification that came at `now`.
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
        let mut schedule = ReadSchedule::new(start);
        assert!(schedule.is_legacy_due(start));
        for (took, pause, legacy) in [
            (MS, MIN_PAUSE, LEGACY),
            (100 * MS, 2000 * MS, LEGACY),
            (2000 * MS, 40_000 * MS, 200_000 * MS),
        ] {
            schedule.took(true, start, took);
            let due = schedule.due_after_change(start);
            assert_eq!(due - start, pause);
            assert_eq!(schedule.poll_at() - start, POLL.max(pause));
            assert!(!schedule.is_legacy_due(start + legacy - MS));
            assert!(schedule.is_legacy_due(start + legacy));
        }
    }

    #[test]
    fn a_change_after_a_pause_is_read_when_it_has_settled() {
        let start = Instant::now();
        let mut schedule = ReadSchedule::new(start);
        schedule.took(false, start, MS);
        let later = start + 10 * MIN_PAUSE;
        assert_eq!(schedule.due_after_change(later) - later, SETTLE);
        assert!(schedule.is_legacy_due(later), "no legacy reading yet");
    }
}
