//! How many requests the programs follow of each client to each server.
//!
//! In: what each pair has asked for, as the programs count it. Out: what a pair may have, so that all
//! together have no more than was allowed: the most that is fair, by which a pair that asks for less than
//! its share has all of it, and the others share the rest (max-min fairness).

use std::num::NonZero;

use aya::maps::{Array, Map, MapData};
use tracer_common::edge::{EDGES, Edge, Edges as Raw, WINDOW_BITS};

use super::MapError;

/// How long ago a window may be that says what a pair asks for.
const RECENT_WINDOWS: u32 = 8;

/// The value as the map holds it. aya wants its own trait on map values.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Stored(Raw);

// SAFETY: `Edges` is integers; any bytes are a valid value.
unsafe impl aya::Pod for Stored {}

/// The programs' counts of each pair, and the limit that they keep to.
pub struct Edges {
    counts: Array<MapData, Stored>,
    limit: Array<MapData, u32>,
    /// Requests of all pairs in a window.
    room: u32,
}

impl Edges {
    /// The programs' maps of these names: the counts, and the limit.
    pub const MAPS: [&str; 2] = ["EDGE_COUNTS", "EDGE_LIMIT"];

    /// Takes the maps. At most `per_second` requests are followed, and where that is `None` all.
    ///
    /// # Errors
    ///
    /// When they are not those maps, or cannot be written.
    pub fn new(
        [counts, limit]: [Option<Map>; 2],
        per_second: Option<NonZero<u32>>,
    ) -> Result<Self, MapError> {
        let [of_counts, of_limit] = Self::MAPS;
        let counts = counts.ok_or_else(|| MapError::missing(of_counts))?;
        let limit = limit.ok_or_else(|| MapError::missing(of_limit))?;
        let mut edges = Self {
            counts: counts
                .try_into()
                .map_err(|error| MapError::of(of_counts, error))?,
            limit: limit
                .try_into()
                .map_err(|error| MapError::of(of_limit, error))?,
            room: per_second.map_or(0, |per_second| of_window(per_second.get())),
        };
        edges.set(edges.room)?;
        Ok(edges)
    }

    /// Sets the limit by what was asked for until `now_ns`.
    ///
    /// # Errors
    ///
    /// When a map cannot be read or written.
    pub fn adjust(&mut self, now_ns: u64) -> Result<(), MapError> {
        if self.room == 0 {
            return Ok(());
        }
        let [of_counts, _] = Self::MAPS;
        // The kernel copies the counts while programs write them. A count and the number of its window
        // may then not belong together, and the limit is off until the next call.
        let counts = self.counts.get(&0, 0);
        let Stored(counts) = counts.map_err(|error| MapError::of(of_counts, error))?;
        let now = (now_ns >> WINDOW_BITS) as u32;
        let mut asked: Vec<u32> = counts
            .edges
            .iter()
            .filter_map(|edge| asked(edge, now))
            .collect();
        self.set(fair(&mut asked, self.room))
    }

    fn set(&mut self, limit: u32) -> Result<(), MapError> {
        let [_, of_limit] = Self::MAPS;
        let set = self.limit.set(0, limit, 0);
        set.map_err(|error| MapError::of(of_limit, error))
    }
}

/// What is `per_second` in a window; at least one.
fn of_window(per_second: u32) -> u32 {
    const SECOND_NS: u64 = 1_000_000_000;
    let requests = (u64::from(per_second) << WINDOW_BITS).div_ceil(SECOND_NS);
    u32::try_from(requests).unwrap_or(u32::MAX).max(1)
}

/// What a pair asks for in a window; `None` if it has not asked lately.
fn asked(edge: &Edge, now: u32) -> Option<u32> {
    let is_recent = now.wrapping_sub(edge.window) < RECENT_WINDOWS;
    let asked = edge.asked.max(edge.asked_before);
    (is_recent && asked > 0).then_some(asked)
}

/// The most that each may have, so that all together have no more than `room`. One that would have less
/// than one has one.
fn fair(asked: &mut [u32], room: u32) -> u32 {
    asked.sort_unstable();
    let mut left = room;
    for (index, least) in asked.iter().enumerate() {
        let sharing = u32::try_from(asked.len() - index).unwrap_or(u32::MAX);
        let share = left / sharing;
        if *least > share {
            return share.max(1);
        }
        left -= least;
    }
    room
}

const _: () = assert!(EDGES.is_power_of_two());

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn those_that_ask_for_little_have_it() {
        for (asked, room, expected) in [
            (&[][..], 100, 100),
            (&[40, 50], 100, 100),
            (&[1000], 100, 100),
            (&[10, 1000], 100, 90),
            (&[1000, 10, 1000], 100, 45),
            (&[5, 5, 5], 2, 1),
        ] {
            assert_eq!(fair(&mut asked.to_vec(), room), expected, "{asked:?}");
        }
    }

    #[test]
    fn only_what_was_asked_lately_counts() {
        let edge = Edge {
            window: u32::MAX,
            asked: 2,
            asked_before: 7,
        };
        assert_eq!(asked(&edge, u32::MAX), Some(7));
        assert_eq!(asked(&edge, 6), Some(7));
        assert_eq!(asked(&edge, 7), None);
        assert_eq!(asked(&Edge::default(), 0), None);
    }

    #[test]
    fn a_second_has_seven_and_a_half_windows() {
        assert_eq!(of_window(5000), 672);
        assert_eq!(of_window(1), 1);
        assert_eq!(of_window(u32::MAX), 576_460_753);
    }

    proptest! {
        #[test]
        fn all_together_have_no_more_than_there_is(
            asked in prop::collection::vec(1u32..100_000, 1..200),
            room in 200u32..100_000,
        ) {
            let limit = fair(&mut asked.clone(), room);
            let have = |limit: u32| asked.iter().map(|asked| u64::from(*asked.min(&limit))).sum::<u64>();
            prop_assert!(have(limit) <= u64::from(room));
            // And nothing is kept back: with one more for each it would be too much, or all have all.
            let all: u64 = asked.iter().map(|asked| u64::from(*asked)).sum();
            prop_assert!(have(limit + 1) > u64::from(room) || have(limit) == all);
        }
    }
}
