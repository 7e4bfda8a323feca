//! What waits until it is known who took part.
//!
//! In: exchanges and the like whose pods are new: their packets are sooner here than their names. Out:
//! the same, a moment later. Bounded in number and in time; it is the pipeline's clock samples that
//! tell time.

use std::collections::VecDeque;

/// How long something waits at most. A new container is noticed within a fraction of a second; the
/// API has the name of a new pod before its first container starts.
const WAIT_NS: u64 = 2_000_000_000;
/// How many wait; one is a few KiB. The first goes when there is one too many.
const MAX_WAITING: usize = 4096;

/// Items in the order in which they came.
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
    /// Time passes.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Takes one in. Returns one that has to go without a name, because there is no room.
    pub fn push(&mut self, item: T) -> Option<T> {
        let until_ns = self.now_ns.saturating_add(WAIT_NS);
        self.items.push_back((until_ns, item));
        if self.items.len() > MAX_WAITING {
            return self.items.pop_front().map(|(_, item)| item);
        }
        None
    }

    /// Gives back those that need not wait any longer, and those that have waited too long; the
    /// latter are told apart by `true`.
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

    /// Gives all of them back.
    pub fn finish(&mut self) -> Vec<T> {
        let all = std::mem::take(&mut self.items).into_iter();
        all.map(|(_, item)| item).collect()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
