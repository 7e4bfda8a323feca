//! Fair shares of a rate.
//!
//! In: who asks for one, and when. Out: whether it gets one. At most so many a second in all, and as many
//! again after a pause. The shares are max-min fair: who asks for less than its share gets all that it
//! asks for, and the others share what is left, so nothing is kept from one that another does not need.
//!
//! Each has a bucket. What the rate brings is poured into all of them alike, and what one cannot hold
//! goes on to the others. One bucket is for those that were not seen before. Whose bucket is empty gets
//! one nonetheless while more than half of a second's is left for all: a few that come at once, from
//! however many, are not too many.

use std::collections::BTreeMap;

const SECOND_NS: u64 = 1_000_000_000;
/// One, as it is counted here: a rate of N a second brings N of these units each nanosecond.
const ONE: u64 = SECOND_NS;
/// How often what the rate has brought is poured.
const POUR_NS: u64 = 10_000_000;
/// How long one is remembered that asks for nothing.
const IDLE_NS: u64 = 60 * SECOND_NS;
/// Those that have a bucket of their own; all others share one.
const MAX_BUCKETS: usize = 1024;

/// What is left for each.
#[derive(Debug)]
pub(super) struct FairShares<K> {
    per_second: u64,
    /// When the buckets were last poured into.
    poured_ns: u64,
    /// When the idle were last forgotten.
    forgot_ns: u64,
    /// For all together: a burst of all buckets at once stays within the rate.
    whole: u64,
    /// Of those that have none of their own; newcomers begin with a part of it.
    shared: Bucket,
    buckets: BTreeMap<K, Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    units: u64,
    asked_ns: u64,
}

impl<K: Ord + Clone> FairShares<K> {
    /// So many a second; none with 0.
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = u64::from(per_second);
        Self {
            per_second,
            poured_ns: 0,
            forgot_ns: 0,
            whole: per_second * ONE,
            shared: Bucket {
                units: per_second * ONE,
                asked_ns: 0,
            },
            buckets: BTreeMap::new(),
        }
    }

    /// Whether this one gets one. One that asks for an earlier moment, later, asks now.
    pub(super) fn take(&mut self, who: &K, at_ns: u64) -> bool {
        self.pour(at_ns);
        self.admit(who);
        let bucket = self.buckets.get_mut(who).unwrap_or(&mut self.shared);
        bucket.asked_ns = self.poured_ns;
        let is_plenty = self.whole > self.per_second * ONE / 2;
        let is_left = self.whole >= ONE && (bucket.units >= ONE || is_plenty);
        if is_left {
            bucket.units = bucket.units.saturating_sub(ONE);
            self.whole -= ONE;
        }
        is_left
    }

    /// Gives a newcomer a bucket, if there may be one more, and half of what is kept for newcomers.
    fn admit(&mut self, who: &K) {
        if self.buckets.len() >= MAX_BUCKETS || self.buckets.contains_key(who) {
            return;
        }
        let kept = &mut self.shared.units;
        let units = (*kept / 2).max(ONE).min(*kept);
        *kept -= units;
        let asked_ns = self.poured_ns;
        self.buckets.insert(who.clone(), Bucket { units, asked_ns });
    }

    /// Pours what the rate has brought.
    fn pour(&mut self, now_ns: u64) {
        let passed_ns = now_ns.saturating_sub(self.poured_ns);
        if passed_ns < POUR_NS {
            return;
        }
        self.poured_ns = now_ns;
        self.forget_idle();
        // Of a long time there is more than the buckets hold.
        let mut units = self.per_second.saturating_mul(passed_ns);
        self.whole = self.whole.saturating_add(units);
        self.whole = self.whole.min(self.per_second * ONE);
        let mut open = self.buckets.len() as u64 + 1;
        // A second's share, and never less than one: who is asked for one would wait for ever.
        let room = (self.per_second * ONE / open).max(ONE);
        let mut buckets: Vec<&mut Bucket> = self.buckets.values_mut().collect();
        buckets.push(&mut self.shared);
        // The fullest first: what they cannot hold is for the others.
        buckets.sort_by_key(|bucket| std::cmp::Reverse(bucket.units));
        for bucket in buckets {
            units = units.saturating_add(bucket.units.saturating_sub(room));
            bucket.units = bucket.units.min(room);
            let part = (units / open).min(room - bucket.units);
            bucket.units += part;
            units -= part;
            open -= 1;
        }
    }

    fn forget_idle(&mut self) {
        if self.poured_ns.saturating_sub(self.forgot_ns) < IDLE_NS {
            return;
        }
        self.forgot_ns = self.poured_ns;
        let since_ns = self.poured_ns.saturating_sub(IDLE_NS);
        self.buckets.retain(|_, bucket| bucket.asked_ns >= since_ns);
    }
}

#[cfg(test)]
mod tests;
