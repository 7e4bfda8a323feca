//! Decides which exchanges get spans when not all can be exported.
//!
//! In: the edge (pair of caller and service) of an exchange, its time, and the room in the export queue.
//! Out: whether the exchange gets spans, decided before the first of them is made, so that an exchange has
//! all of its spans or none. Shed exchanges are counted, and marked on the next exchange of their edge.

use std::collections::BTreeMap;

use crate::span::Edge;

use super::fair::FairShares;

/// Edges with a mark for shed exchanges. Exchanges of more edges are counted only.
const MAX_MARKS: usize = 1024;

/// Exchanges without spans although their trace is sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Shed {
    /// The rate limit was reached, and the edge had its share.
    pub rate: u64,
    /// There were more at a time than the export queue holds: the agent lacks CPU time.
    pub queue: u64,
}

/// The rate limit, the room in the export queue, and what was shed.
#[derive(Debug)]
pub(super) struct Shedding {
    /// `None` is no limit.
    rate: Option<FairShares<Edge>>,
    /// Spans that the export queue has room for.
    room: usize,
    marks: BTreeMap<Edge, u64>,
    shed: Shed,
}

impl Default for Shedding {
    fn default() -> Self {
        Self {
            rate: None,
            room: usize::MAX,
            marks: BTreeMap::new(),
            shed: Shed::default(),
        }
    }
}

impl Shedding {
    /// Limits the exchanges with spans to `per_second`.
    pub(super) fn set_rate(&mut self, per_second: u32) {
        self.rate = Some(FairShares::new(per_second));
    }

    /// Sets the room in the export queue.
    pub(super) fn set_room(&mut self, spans: usize) {
        self.room = spans;
    }

    /// Takes room for spans that were made; the last exchange may take more than there is.
    pub(super) fn made(&mut self, spans: usize) {
        self.room = self.room.saturating_sub(spans);
    }

    /// Whether the export queue has room.
    pub(super) fn has_room(&self) -> bool {
        self.room > 0
    }

    /// The number of shed exchanges so far.
    pub(super) fn shed(&self) -> Shed {
        self.shed
    }

    /// Decides on an exchange that ended at `at_ns`. Returns how many exchanges of its edge were shed since
    /// the last one with spans; `None` if this exchange is shed.
    pub(super) fn admit(&mut self, edge: impl FnOnce() -> Edge, at_ns: u64) -> Option<u64> {
        let has_room = self.has_room();
        if has_room && self.rate.is_none() && self.marks.is_empty() {
            return Some(0);
        }
        let edge = edge();
        if !has_room {
            self.shed.queue += 1;
            if self.shed.queue == 1 {
                tracing::error!(
                    "exchanges are shed: there are more at a time than the export queue holds"
                );
            }
        } else if let Some(rate) = &mut self.rate
            && !rate.take(&edge, at_ns)
        {
            self.shed.rate += 1;
            if self.shed.rate == 1 {
                tracing::warn!("exchanges are shed: there are more than may be exported");
            }
        } else {
            return Some(self.marks.remove(&edge).unwrap_or(0));
        }
        if self.marks.len() < MAX_MARKS || self.marks.contains_key(&edge) {
            *self.marks.entry(edge).or_default() += 1;
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
    fn nothing_is_shed_without_need() {
        let mut shedding = Shedding::default();
        for _ in 0..100_000 {
            assert_eq!(shedding.admit(|| edge("a"), 5), Some(0));
            shedding.made(40);
        }
        assert_eq!(shedding.shed(), Shed::default());
    }

    #[test]
    fn what_finds_no_room_is_marked_on_the_next_of_its_edge() {
        let mut shedding = Shedding::default();
        shedding.set_room(1);
        assert_eq!(shedding.admit(|| edge("a"), 5), Some(0));
        shedding.made(40);
        assert_eq!(shedding.admit(|| edge("a"), 6), None);
        assert_eq!(shedding.admit(|| edge("a"), 7), None);
        assert_eq!(shedding.admit(|| edge("b"), 7), None);
        shedding.set_room(1_000);
        assert_eq!(shedding.admit(|| edge("c"), 8), Some(0));
        assert_eq!(shedding.admit(|| edge("a"), 8), Some(2));
        assert_eq!(shedding.admit(|| edge("a"), 8), Some(0));
        assert_eq!(shedding.admit(|| edge("b"), 8), Some(1));
        assert_eq!(shedding.shed(), Shed { rate: 0, queue: 3 });
    }

    #[test]
    fn what_is_above_the_rate_is_marked_too() {
        let mut shedding = Shedding::default();
        shedding.set_rate(1);
        assert_eq!(shedding.admit(|| edge("a"), 5), Some(0));
        assert_eq!(shedding.admit(|| edge("a"), 6), None);
        assert_eq!(shedding.admit(|| edge("a"), 10_000_000_006), Some(1));
        assert_eq!(shedding.shed(), Shed { rate: 1, queue: 0 });
    }

    #[test]
    fn marks_are_bounded() {
        let mut shedding = Shedding::default();
        shedding.set_room(0);
        for number in 0..2 * MAX_MARKS {
            shedding.admit(|| edge(&number.to_string()), 5);
        }
        assert_eq!(shedding.marks.len(), MAX_MARKS);
        assert_eq!(shedding.shed().queue, 2 * MAX_MARKS as u64);
    }
}
