//! Decides which exchanges get spans when there are more than may be exported.
//!
//! In: the edge (pair of caller and service) of an exchange, and its time. Out: whether the exchange gets
//! spans, decided before the first of them is made, so that an exchange has all of its spans or none. Shed
//! exchanges are counted, and marked on the next exchange of their edge.

use std::collections::BTreeMap;

use crate::span::Edge;

use super::fair::FairShares;

/// Edges with a mark for shed exchanges. Exchanges of more edges are counted only.
const MAX_MARKS: usize = 1024;

/// The rate limit, and what was shed.
#[derive(Debug, Default)]
pub(super) struct Shedding {
    /// `None` is no limit.
    rate: Option<FairShares<Edge>>,
    marks: BTreeMap<Edge, u64>,
    shed: u64,
}

impl Shedding {
    /// Limits the exchanges with spans to `per_second`.
    pub(super) fn set_rate(&mut self, per_second: u32) {
        self.rate = Some(FairShares::new(per_second));
    }

    /// The number of shed exchanges so far.
    pub(super) fn shed(&self) -> u64 {
        self.shed
    }

    /// Decides on an exchange that ended at `at_ns`. Returns how many exchanges of its edge were shed since
    /// the last one with spans; `None` if this exchange is shed.
    pub(super) fn admit(&mut self, edge: &Edge, at_ns: u64) -> Option<u64> {
        let Some(rate) = &mut self.rate else {
            return Some(0);
        };
        if rate.take(edge, at_ns) {
            return Some(self.marks.remove(edge).unwrap_or(0));
        }
        self.shed += 1;
        if self.shed == 1 {
            tracing::warn!("exchanges are shed: there are more than may be exported");
        }
        if let Some(mark) = self.marks.get_mut(edge) {
            *mark += 1;
        } else if self.marks.len() < MAX_MARKS {
            self.marks.insert(edge.clone(), 1);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::EdgeEnd;

    fn edge(name: &str) -> Edge {
        let end = |name: &str| EdgeEnd::Named(None, name.into());
        Edge {
            caller: end("client"),
            called: end(name),
        }
    }

    #[test]
    fn nothing_is_shed_without_a_rate() {
        let mut shedding = Shedding::default();
        for _ in 0..100_000 {
            assert_eq!(shedding.admit(&edge("a"), 5), Some(0));
        }
        assert_eq!(shedding.shed(), 0);
    }

    #[test]
    fn what_is_above_the_rate_is_marked_on_the_next_of_its_edge() {
        let mut shedding = Shedding::default();
        shedding.set_rate(1);
        assert_eq!(shedding.admit(&edge("a"), 5), Some(0));
        assert_eq!(shedding.admit(&edge("a"), 6), None);
        assert_eq!(shedding.admit(&edge("b"), 6), None);
        assert_eq!(shedding.admit(&edge("a"), 7), None);
        assert_eq!(shedding.admit(&edge("a"), 10_000_000_006), Some(2));
        assert_eq!(shedding.admit(&edge("b"), 20_000_000_006), Some(1));
        assert_eq!(shedding.shed(), 3);
    }

    #[test]
    fn marks_are_bounded() {
        let mut shedding = Shedding::default();
        shedding.set_rate(0);
        for number in 0..2 * MAX_MARKS {
            shedding.admit(&edge(&number.to_string()), 5);
        }
        assert_eq!(shedding.marks.len(), MAX_MARKS);
        assert_eq!(shedding.shed(), 2 * MAX_MARKS as u64);
    }
}
