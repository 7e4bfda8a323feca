//! A bounded table of metric series.
//!
//! In: keys, values that are counted up, the time. Out: snapshots of the values. Keys beyond the
//! bound share one value, and values that are not used for a while are dropped and counted. A
//! snapshot shares its values with the table; a value is copied when it changes after a snapshot.

use std::{collections::HashMap, hash::Hash, sync::Arc};

/// Age, since its last use, at which a value is dropped.
pub(super) const IDLE_NS: u64 = 600 * 1_000_000_000;

/// Values by key.
#[derive(Debug)]
pub(super) struct SeriesTable<K, V> {
    max: usize,
    entries: HashMap<K, Entry<V>>,
    dropped: u64,
}

#[derive(Debug)]
struct Entry<V> {
    used_ns: u64,
    value: Arc<V>,
}

impl<K: Clone + Eq + Hash, V: Clone + Default> SeriesTable<K, V> {
    /// A table of at most `max` keys, and the keys that share.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            entries: HashMap::new(),
            dropped: 0,
        }
    }

    /// The value of `key`, or that of `other` where the table is full.
    pub(super) fn value(&mut self, key: K, other: impl FnOnce(K) -> K, now_ns: u64) -> &mut V {
        let is_full = self.entries.len() >= self.max;
        let key = match is_full && !self.entries.contains_key(&key) {
            true => other(key),
            false => key,
        };
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            used_ns: now_ns,
            value: Arc::default(),
        });
        entry.used_ns = now_ns;
        Arc::make_mut(&mut entry.value)
    }

    /// Drops the values that have not been used for [`IDLE_NS`].
    pub(super) fn drop_idle(&mut self, now_ns: u64) {
        let before = self.entries.len();
        let is_used = |entry: &Entry<V>| now_ns.saturating_sub(entry.used_ns) < IDLE_NS;
        self.entries.retain(|_, entry| is_used(entry));
        self.dropped += (before - self.entries.len()) as u64;
    }

    /// How many values were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The values as they are now, in no order.
    pub(super) fn snapshot(&self) -> Vec<(K, Arc<V>)> {
        let entries = self.entries.iter();
        let shared = |(key, entry): (&K, &Entry<V>)| (key.clone(), Arc::clone(&entry.value));
        entries.map(shared).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: u32 = 0;

    fn count(table: &mut SeriesTable<u32, u64>, key: u32, now_ns: u64) {
        *table.value(key, |_| OTHER, now_ns) += 1;
    }

    fn counts(table: &SeriesTable<u32, u64>) -> Vec<(u32, u64)> {
        let values = table.snapshot().into_iter();
        let mut counts: Vec<(u32, u64)> = values.map(|(key, value)| (key, *value)).collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn keys_beyond_the_bound_share_a_value() {
        let mut table = SeriesTable::new(2);
        for key in [1, 2, 3, 4, 2] {
            count(&mut table, key, 5);
        }
        assert_eq!(counts(&table), [(OTHER, 2), (1, 1), (2, 2)]);
    }

    #[test]
    fn an_idle_value_is_dropped_and_counted_and_makes_room() {
        let mut table = SeriesTable::new(1);
        count(&mut table, 1, 5);
        count(&mut table, 2, 6);
        table.drop_idle(IDLE_NS + 4);
        assert_eq!(table.dropped(), 0);
        table.drop_idle(IDLE_NS + 5);
        assert_eq!(table.dropped(), 1);
        assert_eq!(counts(&table), [(OTHER, 1)]);
        table.drop_idle(IDLE_NS + 6);
        count(&mut table, 2, IDLE_NS + 7);
        assert_eq!(counts(&table), [(2, 1)]);
        assert_eq!(table.dropped(), 2);
    }

    #[test]
    fn a_snapshot_does_not_change() {
        let mut table = SeriesTable::new(1);
        count(&mut table, 1, 5);
        let before = table.snapshot();
        count(&mut table, 1, 6);
        assert_eq!(*before[0].1, 1);
        assert_eq!(counts(&table), [(1, 2)]);
    }
}
