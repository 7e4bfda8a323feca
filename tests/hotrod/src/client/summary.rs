//! The latencies of all dispatches. In: the latency and status of each. Out: percentiles.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Significant digits of the latencies, which are in microseconds.
const DIGITS: u8 = 3;
/// Longer latencies count as this one: a dispatch is given up earlier.
const LONGEST_US: u64 = 120_000_000;

/// Latencies so far.
#[derive(Debug)]
pub(super) struct Summary(Mutex<State>);

#[derive(Debug)]
struct State {
    latencies: Histogram<u64>,
    failed: u64,
}

/// One line for all dispatches. The latencies include those of failed ones.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Line {
    dispatches: u64,
    /// Dispatches without a response, or with another status than 200.
    failed: u64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl Summary {
    pub(super) fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        Self(Mutex::new(State {
            latencies: latencies.expect("1 and LONGEST_US are valid bounds"),
            failed: 0,
        }))
    }

    pub(super) fn add(&self, latency: Duration, status: u16) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.latencies.saturating_record(micros.max(1));
        state.failed += u64::from(status != 200);
    }

    pub(super) fn line(&self) -> Line {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |micros: u64| micros as f64 / 1000.0;
        let at = |quantile| ms(state.latencies.value_at_quantile(quantile));
        Line {
            dispatches: state.latencies.len(),
            failed: state.failed,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(state.latencies.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_latencies() {
        let summary = Summary::new();
        for milliseconds in 1..=1000 {
            summary.add(Duration::from_millis(milliseconds), 200);
        }
        summary.add(Duration::from_millis(1), 503);
        let line = summary.line();
        assert_eq!((line.dispatches, line.failed), (1001, 1));
        let is_near = |value: f64, expected: f64| (value - expected).abs() < expected / 500.0;
        assert!(is_near(line.p50_ms, 500.0), "{line:?}");
        assert!(is_near(line.p99_ms, 990.0), "{line:?}");
        assert!(is_near(line.p999_ms, 999.0), "{line:?}");
        assert!(is_near(line.max_ms, 1000.0), "{line:?}");
    }

    #[test]
    fn a_latency_out_of_bounds_counts_as_the_bound() {
        let summary = Summary::new();
        summary.add(Duration::ZERO, 200);
        summary.add(Duration::from_secs(100_000), 0);
        assert_eq!(summary.line().dispatches, 2);
    }
}
