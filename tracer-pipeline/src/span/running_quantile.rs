//! A high quantile of a stream of durations, in a few bytes.

/// Durations before the quantile is known.
const LEARNED: u32 = 128;
/// Each duration at or below the quantile lowers it by this share, and each above it raises it by
/// [`RISE`]: in balance where one in a hundred is above.
const FALL: f64 = 0.0005;
/// 99 falls undo it.
const RISE: f64 = 0.0508;

/// The 99th percentile of the durations so far. It follows a change within some hundred durations.
///
/// Source: the multiplicative form of stochastic approximation (Robbins and Monro, 1951).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunningP99 {
    p99_ns: f64,
    seen: u32,
}

impl RunningP99 {
    /// Adds a duration in nanoseconds. Whether it is above the 99th percentile of those before it;
    /// never while too few are known.
    pub(super) fn add(&mut self, duration_ns: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a nanosecond more or less")]
        let duration_ns = duration_ns as f64;
        if self.seen < LEARNED {
            self.seen += 1;
            // The longest of the first is near it.
            self.p99_ns = self.p99_ns.max(duration_ns).max(1.0);
            return false;
        }
        let is_above = duration_ns > self.p99_ns;
        self.p99_ns *= if is_above { 1.0 + RISE } else { 1.0 - FALL };
        // Zero would stay zero.
        self.p99_ns = self.p99_ns.max(1.0);
        is_above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random numbers from 0 to 1 (a linear congruential generator, MMIX).
    fn random() -> impl Iterator<Item = f64> {
        let next = |state: &u64| {
            Some(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407),
            )
        };
        let states = std::iter::successors(Some(7_u64), next);
        states.map(|state| (state >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// Exponentially distributed durations of this mean.
    fn durations(mean_ns: f64) -> impl Iterator<Item = u64> {
        random().map(move |part| (-mean_ns * (1.0 - part).ln()) as u64)
    }

    fn above(p99: &mut RunningP99, durations: impl Iterator<Item = u64>) -> usize {
        durations
            .filter(|&duration_ns| p99.add(duration_ns))
            .count()
    }

    #[test]
    fn one_in_a_hundred_is_above() {
        let mut p99 = RunningP99::default();
        let above = above(&mut p99, durations(50_000.0).take(100_000));
        assert!((900..1_100).contains(&above), "{above}");
        // The quantile of an exponential distribution: mean * ln 100.
        assert!((180_000.0..280_000.0).contains(&p99.p99_ns), "{p99:?}");
    }

    #[test]
    fn it_follows_a_change() {
        let mut p99 = RunningP99::default();
        above(&mut p99, durations(50_000.0).take(10_000));
        // Ten times as long: noticed at first, then usual.
        let at_first = above(&mut p99, durations(500_000.0).take(1_000));
        let later = above(&mut p99, durations(500_000.0).take(10_000));
        assert!(at_first > 30, "{at_first}");
        assert!((50..200).contains(&later), "{later}");
    }

    #[test]
    fn the_first_are_not_above() {
        assert_eq!(above(&mut RunningP99::default(), 1..=128), 0);
        assert_eq!(above(&mut RunningP99::default(), [0; 1_000].into_iter()), 0);
    }
}
