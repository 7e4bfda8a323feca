//! When a batch is sent again.
//!
//! In: the pause that the collector asks for, if any. Out: the pause. Without one, pauses double and
//! have jitter, so that the agents of a cluster do not all return to a collector at the same time.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// The first pause, before jitter.
const FIRST: Duration = Duration::from_millis(500);
/// The bound of pauses that double, before jitter.
const MAX: Duration = Duration::from_secs(10);
/// The bound of the pause that a collector asks for, by RetryInfo or Retry-After.
const MAX_ASKED: Duration = Duration::from_secs(300);
/// The shortest pause: a collector that asks for less is not sent requests in a loop.
const MIN_ASKED: Duration = Duration::from_millis(100);

/// The pauses of one batch.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        self.pause_with(asked, random())
    }

    /// The pause where `random` is between 0 and 1. The pause that was asked for is lengthened by up
    /// to a tenth; any other is shortened by up to a half.
    fn pause_with(&mut self, asked: Option<Duration>, random: f64) -> Duration {
        if let Some(asked) = asked {
            return asked
                .clamp(MIN_ASKED, MAX_ASKED)
                .mul_f64(1.0 + random / 10.0);
        }
        let pause = self.next;
        self.next = (2 * self.next).min(MAX);
        pause.mul_f64(1.0 - random / 2.0)
    }
}

/// A number between 0 and 1. The keys of the standard library's hash are random.
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_shortened_at_random() {
        let check = |random: f64, expected_ms: [u64; 6]| {
            let mut backoff = Backoff::new();
            for expected in expected_ms {
                let pause = backoff.pause_with(None, random);
                assert_eq!(pause, Duration::from_millis(expected), "{random}");
            }
        };
        check(0.0, [500, 1000, 2000, 4000, 8000, 10_000]);
        check(1.0, [250, 500, 1000, 2000, 4000, 5000]);
        for _ in 0..1000 {
            assert!((0.0..=1.0).contains(&random()));
        }
    }

    #[test]
    fn a_pause_that_is_asked_for_is_never_shortened() {
        let check = |asked_ms: u64, random: f64, expected_ms: u64| {
            let pause = Backoff::new().pause_with(Some(Duration::from_millis(asked_ms)), random);
            assert_eq!(pause, Duration::from_millis(expected_ms), "{asked_ms}");
        };
        check(20_000, 0.0, 20_000);
        check(20_000, 1.0, 22_000);
        check(0, 0.0, 100);
        check(u64::MAX, 0.0, 300_000);
    }
}
