//! Exchanges that wait until it is known who took part.
//!
//! In: exchanges whose pods are new: their packets are sooner here than their names. Out: the same,
//! a moment later. Bounded in number and in time; it is the pipeline's clock samples that tell time.

use std::collections::VecDeque;

use crate::http::Exchange;

/// How long an exchange waits at most. A new container is noticed within a fraction of a second; the
/// API has the name of a new pod before its first container starts.
const WAIT_NS: u64 = 2_000_000_000;
/// Exchanges that wait; one is a few KiB. The first goes when there is one too many.
const MAX_WAITING: usize = 4096;

/// Exchanges in the order in which they came.
#[derive(Debug, Default)]
pub struct Waiting {
    now_ns: u64,
    exchanges: VecDeque<(u64, Exchange)>,
}

impl Waiting {
    /// Time passes.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Takes one in. Returns one that has to go without a name, because there is no room.
    pub fn push(&mut self, exchange: Exchange) -> Option<Exchange> {
        let until_ns = self.now_ns.saturating_add(WAIT_NS);
        self.exchanges.push_back((until_ns, exchange));
        if self.exchanges.len() > MAX_WAITING {
            return self.exchanges.pop_front().map(|(_, exchange)| exchange);
        }
        None
    }

    /// Gives back those that need not wait any longer, and those that have waited too long; the
    /// latter are told apart by `true`.
    pub fn take(&mut self, is_known: impl Fn(&Exchange) -> bool) -> Vec<(Exchange, bool)> {
        let mut taken = Vec::new();
        for (until_ns, exchange) in std::mem::take(&mut self.exchanges) {
            if is_known(&exchange) {
                taken.push((exchange, false));
            } else if until_ns <= self.now_ns {
                taken.push((exchange, true));
            } else {
                self.exchanges.push_back((until_ns, exchange));
            }
        }
        taken
    }

    /// Gives all of them back.
    pub fn finish(&mut self) -> Vec<Exchange> {
        let all = std::mem::take(&mut self.exchanges).into_iter();
        all.map(|(_, exchange)| exchange).collect()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }
}
