//! Converts `CLOCK_MONOTONIC` to Unix time.
//!
//! The distance between CLOCK_MONOTONIC and CLOCK_REALTIME changes only when the time is set: NTP
//! slews both alike. So the best sample (the one read in the shortest time) is kept until a sample
//! contradicts it. One distance is used for a whole exchange, so its spans never run backwards.

use crate::decode::ClockSample;

/// The distance between the clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    distance_ns: i128,
    uncertainty_ns: Option<i128>,
}

impl Clock {
    /// Takes a sample, and keeps it where it is better than the last or contradicts it.
    pub fn sample(&mut self, sample: ClockSample) {
        let distance_ns = i128::from(sample.realtime_ns) - i128::from(sample.monotonic_ns);
        let uncertainty_ns = i128::from(sample.uncertainty_ns);
        let keep = self.uncertainty_ns.is_some_and(|known_ns| {
            let agrees = (distance_ns - self.distance_ns).abs() <= known_ns + uncertainty_ns;
            agrees && known_ns <= uncertainty_ns
        });
        if !keep {
            self.distance_ns = distance_ns;
            self.uncertainty_ns = Some(uncertainty_ns);
        }
    }

    /// The time in nanoseconds since 1970-01-01 00:00 UTC.
    pub fn unix_ns(&self, monotonic_ns: u64) -> u64 {
        let unix_ns = i128::from(monotonic_ns) + self.distance_ns;
        // Saturates at both ends, or a span could end before it starts.
        u64::try_from(unix_ns.max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes (monotonic, realtime, uncertainty) samples; checks the Unix time of monotonic 1,000.
    fn check(samples: &[(u64, u64, u32)], expected: u64) {
        let mut clock = Clock::default();
        for &(monotonic_ns, realtime_ns, uncertainty_ns) in samples {
            clock.sample(ClockSample {
                monotonic_ns,
                realtime_ns,
                uncertainty_ns,
            });
        }
        assert_eq!(clock.unix_ns(1_000), expected, "{samples:?}");
    }

    #[test]
    fn the_best_sample_is_kept_until_one_contradicts_it() {
        check(&[(0, 500, 10)], 1_500);
        // Worse, and in agreement.
        check(&[(0, 500, 10), (100, 605, 20)], 1_500);
        // Better.
        check(&[(0, 500, 10), (100, 605, 3)], 1_505);
        // Worse, but the time was set.
        check(&[(0, 500, 10), (100, 9_600, 900)], 10_500);
        check(&[(0, 5_000, 1), (3_000, 100, 1)], 0);
        check(&[(0, u64::MAX, 1)], u64::MAX);
    }
}
