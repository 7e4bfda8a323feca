//! Reads the kernel's clocks, and the distance between two of them.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tracer_pipeline::decode::ClockSample;

/// The readings of which the quickest is used: an interrupt during a reading makes it inexact.
const READINGS: usize = 5;

/// Reads `CLOCK_REALTIME` between two readings of `CLOCK_MONOTONIC`. `None` if a clock cannot be
/// read, which does not happen on Linux.
pub fn sample() -> Option<ClockSample> {
    (0..READINGS)
        .filter_map(|_| reading())
        .min_by_key(|sample| sample.uncertainty_ns)
}

fn reading() -> Option<ClockSample> {
    let before_ns = now_ns(ClockId::CLOCK_MONOTONIC)?;
    let realtime_ns = now_ns(ClockId::CLOCK_REALTIME)?;
    let after_ns = now_ns(ClockId::CLOCK_MONOTONIC)?;
    let half_ns = after_ns.saturating_sub(before_ns) / 2;
    Some(ClockSample {
        monotonic_ns: before_ns + half_ns,
        realtime_ns,
        // Rounded up: the clocks tick in nanoseconds.
        uncertainty_ns: u32::try_from(half_ns + 1).unwrap_or(u32::MAX),
    })
}

/// The time of a clock in nanoseconds. `None` if it cannot be read.
pub(crate) fn now_ns(clock: ClockId) -> Option<u64> {
    let now = Duration::from(clock_gettime(clock).ok()?);
    u64::try_from(now.as_nanos()).ok()
}
