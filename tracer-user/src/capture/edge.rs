//! Limits how many requests of each pair of client and server the programs follow.
//!
//! In: the requests of each pair, as the programs count them. Out: one limit for every pair, such
//! that all pairs together stay within a total: the highest limit that is fair. A pair with fewer
//! requests than the limit has all of them followed, and the others share the rest (max-min
//! fairness).

use std::num::NonZero;

use aya::maps::{Array, Map, MapData};
use tracer_common::edge::{EDGES, Edge, Edges, WINDOW_BITS};

use super::{MapError, map_value::MapValue, typed};

/// Age, in windows, from which the requests of a pair no longer count.
const RECENT_WINDOWS: u32 = 8;

/// The programs' counts of each pair, and the limit that they keep to.
pub struct EdgeLimiter {
    counts: Array<MapData, MapValue<Edges>>,
    limit: Array<MapData, u32>,
    /// Requests of all pairs in a window; 0 for no limit.
    total: u32,
}

impl EdgeLimiter {
    /// The names of the programs' maps: the counts, and the limit.
    pub const MAPS: [&str; 2] = ["EDGE_COUNTS", "EDGE_LIMIT"];

    /// A limiter for at most `per_second` requests, or without a limit if that is `None`.
    ///
    /// # Errors
    ///
    /// If these are not the maps, or if they cannot be written.
    pub fn new(
        [counts, limit]: [Option<Map>; 2],
        per_second: Option<NonZero<u32>>,
    ) -> Result<Self, MapError> {
        let [counts_name, limit_name] = Self::MAPS;
        let mut limiter = Self {
            counts: typed(counts, counts_name)?,
            limit: typed(limit, limit_name)?,
            total: per_second.map_or(0, |per_second| per_window(per_second.get())),
        };
        limiter.set(limiter.total)?;
        Ok(limiter)
    }

    /// Sets the limit from the requests until `now_ns`.
    ///
    /// # Errors
    ///
    /// If a map cannot be read or written.
    pub fn adjust(&mut self, now_ns: u64) -> Result<(), MapError> {
        if self.total == 0 {
            return Ok(());
        }
        let [counts_name, _] = Self::MAPS;
        // The kernel copies the counts while programs write them. A count and the number of its
        // window may then not belong together, and the limit is off until the next call.
        let counts = self.counts.get(&0, 0);
        let MapValue(counts) = counts.map_err(|error| MapError::of(counts_name, error))?;
        let now = (now_ns >> WINDOW_BITS) as u32;
        let mut requests: Vec<u32> = counts
            .edges
            .iter()
            .filter_map(|edge| recent_requests(edge, now))
            .collect();
        self.set(fair_limit(&mut requests, self.total))
    }

    fn set(&mut self, limit: u32) -> Result<(), MapError> {
        let [_, limit_name] = Self::MAPS;
        let set = self.limit.set(0, limit, 0);
        set.map_err(|error| MapError::of(limit_name, error))
    }
}

/// Requests in a window at a rate of `per_second`; at least one.
pub(super) fn per_window(per_second: u32) -> u32 {
    const SECOND_NS: u64 = 1_000_000_000;
    let requests = (u64::from(per_second) << WINDOW_BITS).div_ceil(SECOND_NS);
    u32::try_from(requests).unwrap_or(u32::MAX).max(1)
}

/// Requests of a pair in a window; `None` if it had none lately.
fn recent_requests(edge: &Edge, now: u32) -> Option<u32> {
    let is_recent = now.wrapping_sub(edge.window) < RECENT_WINDOWS;
    let requests = edge.requests.max(edge.requests_before);
    (is_recent && requests > 0).then_some(requests)
}

/// The highest limit of each pair by which all together have no more than `total`; at least one.
fn fair_limit(requests: &mut [u32], total: u32) -> u32 {
    requests.sort_unstable();
    let mut left = total;
    for (index, fewest) in requests.iter().enumerate() {
        let sharing = u32::try_from(requests.len() - index).unwrap_or(u32::MAX);
        let share = left / sharing;
        if *fewest > share {
            return share.max(1);
        }
        left -= fewest;
    }
    total
}

const _: () = assert!(EDGES.is_power_of_two());

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pair_with_few_requests_has_them_all() {
        for (requests, total, expected) in [
            (&[][..], 100, 100),
            (&[40, 50], 100, 100),
            (&[1000], 100, 100),
            (&[10, 1000], 100, 90),
            (&[1000, 10, 1000], 100, 45),
            (&[5, 5, 5], 2, 1),
        ] {
            assert_eq!(
                fair_limit(&mut requests.to_vec(), total),
                expected,
                "{requests:?}"
            );
        }
    }

    #[test]
    fn only_recent_requests_count() {
        let edge = Edge {
            window: u32::MAX,
            requests: 2,
            requests_before: 7,
        };
        assert_eq!(recent_requests(&edge, u32::MAX), Some(7));
        assert_eq!(recent_requests(&edge, 6), Some(7));
        assert_eq!(recent_requests(&edge, 7), None);
        assert_eq!(recent_requests(&Edge::default(), 0), None);
    }

    #[test]
    fn a_second_has_seven_and_a_half_windows() {
        assert_eq!(per_window(5000), 672);
        assert_eq!(per_window(1), 1);
        assert_eq!(per_window(u32::MAX), 576_460_753);
    }

    proptest! {
        #[test]
        fn all_pairs_together_stay_within_the_total(
            requests in prop::collection::vec(1u32..100_000, 1..200),
            total in 200u32..100_000,
        ) {
            let limit = fair_limit(&mut requests.clone(), total);
            let followed = |limit: u32| requests.iter().map(|requests| u64::from(*requests.min(&limit))).sum::<u64>();
            prop_assert!(followed(limit) <= u64::from(total));
            // Nor is the limit too low: one more for each pair exceeds the total, or every pair has
            // all.
            let all: u64 = requests.iter().map(|requests| u64::from(*requests)).sum();
            prop_assert!(followed(limit + 1) > u64::from(total) || followed(limit) == all);
        }
    }
}
