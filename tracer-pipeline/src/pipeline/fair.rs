//! A rate limit that is shared fairly between keys.
//!
//! In: a key and a time. Out: whether the key gets a token. All keys together get at most the rate, and a
//! burst of one second's tokens after a pause. The shares are max-min fair: a key that needs less than its
//! share gets all it needs, and the other keys share the rest.
//!
//! Each key has a token bucket. New tokens are divided equally between the buckets, and tokens beyond a
//! full bucket go to the others. New keys start from a shared bucket. A key with an empty bucket still gets a
//! token while more than half of a second's tokens are left in total: a short burst of many keys is not
//! limited.

use std::collections::BTreeMap;

const SECOND_NS: u64 = 1_000_000_000;
/// One token in units: a rate of N tokens a second adds N units each nanosecond.
const ONE: u64 = SECOND_NS;
/// How often new tokens are divided.
const POUR_NS: u64 = 10_000_000;
/// How long an unused bucket is kept.
const IDLE_NS: u64 = 60 * SECOND_NS;
/// Bound on buckets; keys beyond it share one.
const MAX_BUCKETS: usize = 1024;

/// The buckets of all keys.
#[derive(Debug)]
pub(super) struct FairShares<K> {
    per_second: u64,
    /// When tokens were last divided.
    poured_ns: u64,
    /// When unused buckets were last removed.
    forgot_ns: u64,
    /// Tokens of all keys together: a burst of all buckets at once stays within the rate.
    whole: u64,
    /// The bucket of keys without their own; a new key starts with a part of it.
    shared: Bucket,
    buckets: BTreeMap<K, Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    units: u64,
    asked_ns: u64,
}

impl<K: Ord + Clone> FairShares<K> {
    /// A limit of `per_second` tokens; 0 gives none.
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

    /// Takes a token for `who`. A time before the last division counts as the time of that division.
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

    /// Creates the bucket of a new key, if the bound allows, with half of the shared bucket.
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

    /// Divides the tokens that the rate has added since the last time.
    fn pour(&mut self, now_ns: u64) {
        let passed_ns = now_ns.saturating_sub(self.poured_ns);
        if passed_ns < POUR_NS {
            return;
        }
        self.poured_ns = now_ns;
        self.forget_idle();
        // After a long pause this is more than the buckets hold.
        let mut units = self.per_second.saturating_mul(passed_ns);
        self.whole = self.whole.saturating_add(units);
        self.whole = self.whole.min(self.per_second * ONE);
        let mut open = self.buckets.len() as u64 + 1;
        // A second's share, and at least one token: a smaller bucket would never hold a whole token.
        let room = (self.per_second * ONE / open).max(ONE);
        let mut buckets: Vec<&mut Bucket> = self.buckets.values_mut().collect();
        buckets.push(&mut self.shared);
        // The fullest bucket first: tokens that it cannot hold go to the others.
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
