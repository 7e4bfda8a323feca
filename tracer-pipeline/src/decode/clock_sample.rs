//! Both clocks of a node at one moment.

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSample {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// `CLOCK_REALTIME`, nanoseconds since 1970-01-01 00:00 UTC.
    pub realtime_ns: u64,
    /// How far `realtime_ns` may be off, nanoseconds: half the time that the reading took.
    pub uncertainty_ns: u32,
}
