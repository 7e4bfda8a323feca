//! Values of [`attribute::DETAIL_REASON`](crate::attribute::DETAIL_REASON): why an exchange has spans
//! for its hops. Where several apply, the first of this list.

/// The exchange failed, or its response was not seen.
pub const ERROR: &str = "error";
/// The kernel dropped a packet of it.
pub const DROP: &str = "drop";
/// A packet was sent again.
pub const RETRANSMISSION: &str = "retransmission";
/// A receive window became zero.
pub const ZERO_WINDOW: &str = "zero window";
/// A path or a hop took longer than the threshold.
pub const SLOW: &str = "slow";
/// One exchange in so many, slow or not.
pub const BASELINE: &str = "baseline";
