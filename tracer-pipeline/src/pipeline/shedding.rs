//! Which exchanges are exported, where not all can be.
//!
//! In: an edge between two services, and when; how much room the export has. Out: whether an exchange of
//! that edge is told, decided before any of its spans is made, and so always of the whole exchange. What
//! is shed is counted, and marked on the next exchange of its edge that is told.

use std::collections::BTreeMap;

use crate::span::Edge;

use super::fair::FairShares;

/// Edges of which it is remembered what was shed since the last that was told; of more it is only
/// counted.
const MAX_MARKS: usize = 1024;

/// Exchanges that have no spans though their trace is sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Shed {
    /// There were more than allowed, and their edge had its share.
    pub rate: u64,
    /// The export had no room: the collector is slow or away, or the node has too little time for it.
    pub queue: u64,
}

/// Sheds.
#[derive(Debug)]
pub(super) struct Shedding {
    /// `None`: as many as there are.
    rate: Option<FairShares<Edge>>,
    /// Spans that the export has room for.
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
    /// At most so many a second.
    pub(super) fn set_rate(&mut self, per_second: u32) {
        self.rate = Some(FairShares::new(per_second));
    }

    /// The export takes so many spans more.
    pub(super) fn set_room(&mut self, spans: usize) {
        self.room = spans;
    }

    /// Spans were made. The last that begin to be made may be more than there is room for.
    pub(super) fn made(&mut self, spans: usize) {
        self.room = self.room.saturating_sub(spans);
    }

    /// Whether the export has room.
    pub(super) fn has_room(&self) -> bool {
        self.room > 0
    }

    /// What was shed so far.
    pub(super) fn shed(&self) -> Shed {
        self.shed
    }

    /// An exchange of this edge was over at `at_ns`. Returns how many of the edge were shed before it,
    /// since the last that was not; `None` where it is shed itself.
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
                    "exchanges are shed: the export queue is full; is the collector slow or away?"
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
