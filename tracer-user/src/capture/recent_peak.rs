//! The largest value of the last minute.

use std::time::{Duration, Instant};

/// Half of the time for which a value counts at most.
const HALF: Duration = Duration::from_secs(30);

/// The largest of the values that came in the last 30 to 60 seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecentPeak {
    /// When the current half minute began.
    began: Instant,
    now: u64,
    before: u64,
}

impl RecentPeak {
    /// No value yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            now: 0,
            before: 0,
        }
    }

    /// Takes a value.
    pub(super) fn add(&mut self, value: u64) {
        self.now = self.now.max(value);
    }

    /// The largest value. Forgets values that came long before `now`: to be called about once a second.
    pub(super) fn get(&mut self, now: Instant) -> u64 {
        let peak = self.now.max(self.before);
        if now.duration_since(self.began) >= HALF {
            self.began = now;
            self.before = std::mem::take(&mut self.now);
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_forgotten_after_a_minute() {
        let start = Instant::now();
        let mut peak = RecentPeak::new(start);
        peak.add(7);
        peak.add(3);
        assert_eq!(peak.get(start + HALF), 7);
        peak.add(5);
        assert_eq!(peak.get(start + 2 * HALF), 7);
        assert_eq!(peak.get(start + 3 * HALF), 5);
        assert_eq!(peak.get(start + 4 * HALF), 0);
    }
}
