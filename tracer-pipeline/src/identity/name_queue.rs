//! Exchanges and failed connects that wait for the names of their pods.
//!
//! In: items whose pods are new: their packets arrive before their names. Out: the same items, once
//! the names are known or the wait is over. Bounded in number and in time. Time is that of the
//! pipeline's clock samples.

use std::collections::VecDeque;

/// The longest wait. The agent finds a new container within a fraction of a second, and the API has
/// the name of a new pod before its first container starts.
const WAIT_NS: u64 = 2_000_000_000;
/// Bound on waiting items, a few KiB each. Beyond it the first leaves without its names.
pub(crate) const MAX_WAITING: usize = 4096;

/// Items in the order of arrival, each with the end of its wait.
#[derive(Debug)]
pub struct NameQueue<T> {
    now_ns: u64,
    items: VecDeque<(u64, T)>,
}

impl<T> Default for NameQueue<T> {
    fn default() -> Self {
        Self {
            now_ns: 0,
            items: VecDeque::new(),
        }
    }
}

impl<T> NameQueue<T> {
    /// Sets the current time.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Adds an item. Returns the oldest item where the queue is full; it goes on without its names.
    pub fn push(&mut self, item: T) -> Option<T> {
        let until_ns = self.now_ns.saturating_add(WAIT_NS);
        self.items.push_back((until_ns, item));
        if self.items.len() > MAX_WAITING {
            return self.items.pop_front().map(|(_, item)| item);
        }
        None
    }

    /// Removes and returns the items whose names are known, and those whose wait is over; `true`
    /// marks the latter.
    pub fn take(&mut self, is_known: impl Fn(&T) -> bool) -> Vec<(T, bool)> {
        let mut taken = Vec::new();
        for (until_ns, item) in std::mem::take(&mut self.items) {
            if is_known(&item) {
                taken.push((item, false));
            } else if until_ns <= self.now_ns {
                taken.push((item, true));
            } else {
                self.items.push_back((until_ns, item));
            }
        }
        taken
    }

    /// Removes and returns all items.
    pub fn finish(&mut self) -> Vec<T> {
        let all = std::mem::take(&mut self.items).into_iter();
        all.map(|(_, item)| item).collect()
    }

    /// Whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
