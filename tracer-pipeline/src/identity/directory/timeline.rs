//! Which holder had a key (an address, namespace or port), and when.
//!
//! In: holders and the times at which they hold a key. Out: the holder of a key at a given time.
//! Ended tenures are kept for a while, because spans are built after the exchange. Bounded by
//! `MAX_KEYS` and `MAX_TENURES`.

use std::{collections::HashMap, hash::Hash};

/// `until_ns` of a tenure without a known end.
const OPEN: u64 = u64::MAX;
/// Bound on keys of one timeline. The largest cluster that Kubernetes supports has 150,000 pods.
const MAX_KEYS: usize = 262_144;
/// Bound on tenures of one key; the one that ended first is removed first.
const MAX_TENURES: usize = 16;
/// A tenure counts this much earlier, if the key had no other holder then: the API has start times
/// of containers in whole seconds, and some beginnings are recorded with a delay.
const EARLY_NS: u64 = 2_000_000_000;

#[derive(Clone, Debug)]
struct Tenure<H> {
    from_ns: u64,
    until_ns: u64,
    /// Number of sources that claim it; the tenure ends with the last.
    claims: u32,
    holder: H,
}

/// Keys and their tenures.
#[derive(Debug)]
pub(super) struct Timeline<K, H> {
    held: HashMap<K, Vec<Tenure<H>>>,
    refused: u64,
}

impl<K, H> Default for Timeline<K, H> {
    fn default() -> Self {
        Self {
            held: HashMap::new(),
            refused: 0,
        }
    }
}

impl<K: Copy + Eq + Hash, H: PartialEq> Timeline<K, H> {
    /// Sets the tenure of `holder` for this key, replacing its earlier one. `until_ns` is `None`
    /// where no end is known.
    pub(super) fn set(&mut self, key: K, holder: H, from_ns: u64, until_ns: Option<u64>) {
        let until_ns = until_ns.unwrap_or(OPEN);
        let Some(tenures) = self.tenures(key) else {
            return;
        };
        let known = tenures
            .iter_mut()
            .rev()
            .find(|known| known.holder == holder);
        if let Some(known) = known {
            (known.from_ns, known.until_ns) = (from_ns, until_ns);
            return;
        }
        push(
            tenures,
            Tenure {
                from_ns,
                until_ns,
                claims: 1,
                holder,
            },
        );
    }

    /// Ends the tenures of `holder` for this key at `until_ns`, where they do not end earlier.
    pub(super) fn close(&mut self, key: K, holder: &H, until_ns: u64) {
        let tenures = self.held.get_mut(&key).into_iter().flatten();
        for tenure in tenures.filter(|tenure| tenure.holder == *holder) {
            tenure.until_ns = tenure.until_ns.min(until_ns);
        }
    }

    /// Adds a claim that `holder` has the key; the first claim begins the tenure.
    pub(super) fn begin(&mut self, key: K, holder: H, from_ns: u64) {
        let Some(tenures) = self.tenures(key) else {
            return;
        };
        let open = tenures
            .iter_mut()
            .find(|open| open.until_ns == OPEN && open.holder == holder);
        if let Some(open) = open {
            open.claims = open.claims.saturating_add(1);
            return;
        }
        push(
            tenures,
            Tenure {
                from_ns,
                until_ns: OPEN,
                claims: 1,
                holder,
            },
        );
    }

    /// Removes a claim; the tenure ends at `until_ns` with the last claim.
    pub(super) fn end(&mut self, key: K, holder: &H, until_ns: u64) {
        let tenures = self.held.get_mut(&key).into_iter().flatten();
        for open in tenures.filter(|open| open.until_ns == OPEN && open.holder == *holder) {
            open.claims = open.claims.saturating_sub(1);
            if open.claims == 0 {
                open.until_ns = until_ns;
            }
        }
    }

    /// The holders of the key at `at_ns`, the latest to begin first. Where there is none, the
    /// holder that began within [`EARLY_NS`] after.
    pub(super) fn at(&self, key: K, at_ns: u64) -> Vec<&H> {
        let Some(tenures) = self.held.get(&key) else {
            return Vec::new();
        };
        let mut at: Vec<&Tenure<H>> = tenures
            .iter()
            .filter(|tenure| tenure.from_ns <= at_ns && at_ns < tenure.until_ns)
            .collect();
        at.sort_by_key(|tenure| std::cmp::Reverse(tenure.from_ns));
        if at.is_empty() {
            let soon = at_ns..=at_ns.saturating_add(EARLY_NS);
            let next = tenures
                .iter()
                .filter(|tenure| soon.contains(&tenure.from_ns) && at_ns < tenure.until_ns)
                .min_by_key(|tenure| tenure.from_ns);
            at.extend(next);
        }
        at.into_iter().map(|tenure| &tenure.holder).collect()
    }

    /// Removes tenures that ended before `before_ns`.
    pub(super) fn prune_before(&mut self, before_ns: u64) {
        self.held.retain(|_, tenures| {
            tenures.retain(|tenure| tenure.until_ns >= before_ns);
            !tenures.is_empty()
        });
    }

    /// Number of keys.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Number of tenures refused because of `MAX_KEYS`.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    fn tenures(&mut self, key: K) -> Option<&mut Vec<Tenure<H>>> {
        if self.held.len() >= MAX_KEYS && !self.held.contains_key(&key) {
            self.refused += 1;
            return None;
        }
        Some(self.held.entry(key).or_default())
    }
}

fn push<H>(tenures: &mut Vec<Tenure<H>>, tenure: Tenure<H>) {
    if tenures.len() >= MAX_TENURES {
        let first = (0..tenures.len()).min_by_key(|index| tenures[*index].until_ns);
        first.map(|index| tenures.remove(index));
    }
    tenures.push(tenure);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn check(timeline: &Timeline<u8, char>, at_ns: u64, expected: &str) {
        let found: String = timeline.at(1, at_ns).into_iter().collect();
        assert_eq!(found, expected, "at {at_ns}");
    }

    #[test]
    fn a_key_is_held_from_its_beginning_to_its_end() {
        let mut timeline = Timeline::default();
        timeline.set(1, 'a', 10 * SECOND, Some(20 * SECOND));
        timeline.set(1, 'b', 30 * SECOND, None);
        check(&timeline, 10 * SECOND, "a");
        check(&timeline, 20 * SECOND - 1, "a");
        check(&timeline, 20 * SECOND, "");
        check(&timeline, 30 * SECOND, "b");
        check(&timeline, u64::MAX - 1, "b");
        assert!(timeline.at(2, 10 * SECOND).is_empty());
    }

    #[test]
    fn the_latest_tenure_comes_first() {
        let mut timeline = Timeline::default();
        timeline.set(1, 'a', SECOND, None);
        timeline.set(1, 'b', 5 * SECOND, None);
        check(&timeline, 4 * SECOND, "a");
        check(&timeline, 5 * SECOND, "ba");
        // The end of the first is recorded late.
        timeline.set(1, 'a', SECOND, Some(5 * SECOND));
        check(&timeline, 5 * SECOND, "b");
    }

    #[test]
    fn a_late_beginning_counts_early_where_the_key_has_no_other_holder() {
        let mut timeline = Timeline::default();
        timeline.set(1, 'a', 10 * SECOND, None);
        check(&timeline, 8 * SECOND, "a");
        check(&timeline, 8 * SECOND - 1, "");
        timeline.set(1, 'b', 0, Some(9 * SECOND));
        check(&timeline, 9 * SECOND - 1, "b");
        check(&timeline, 9 * SECOND, "a");
    }

    #[test]
    fn a_tenure_ends_with_its_last_claim() {
        let mut timeline = Timeline::default();
        timeline.begin(1, 'a', SECOND);
        timeline.begin(1, 'a', 3 * SECOND);
        timeline.end(1, &'a', 5 * SECOND);
        check(&timeline, 6 * SECOND, "a");
        timeline.end(1, &'a', 7 * SECOND);
        timeline.end(1, &'a', 8 * SECOND);
        check(&timeline, SECOND, "a");
        check(&timeline, 7 * SECOND, "");
        timeline.begin(1, 'a', 9 * SECOND);
        check(&timeline, 9 * SECOND, "a");
    }

    #[test]
    fn keys_and_tenures_are_bounded() {
        let mut timeline = Timeline::default();
        for holder in 0..1_000_u64 {
            timeline.set(1, holder, holder, Some(holder + 1));
        }
        assert_eq!(timeline.held[&1].len(), MAX_TENURES);
        assert_eq!(timeline.at(1, 999), [&999]);
        timeline.prune_before(2_000);
        assert_eq!(timeline.len(), 0);
        for key in 0..MAX_KEYS as u64 + 5 {
            timeline.set(key, 0, 0, None);
        }
        assert_eq!((timeline.len(), timeline.refused()), (MAX_KEYS, 5));
    }
}
