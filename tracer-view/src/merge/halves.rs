//! The halves of exchanges. In: the spans of a trace. Out: for each exchange of which there is a
//! half, the positions of its halves.

use std::collections::BTreeMap;

use tracer_semconv::{Role, Side};

use crate::id::ExchangeId;
use crate::span::Span;

/// The halves of one connect, request, response or exchange.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Halves {
    pub(super) client: Option<usize>,
    pub(super) server: Option<usize>,
}

impl Halves {
    /// The client's and the server's.
    pub(super) fn both(self) -> Option<[usize; 2]> {
        Some([self.client?, self.server?])
    }

    fn of(&mut self, side: Side) -> &mut Option<usize> {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// The halves of one exchange, by role.
#[derive(Default)]
pub(super) struct ExchangeHalves(BTreeMap<Role, Halves>);

impl ExchangeHalves {
    /// The exchanges of a trace in an order that does not depend on which span came first. Where
    /// several agents saw one side, as when packets pass through a third node, all halves of that
    /// side are of one agent.
    pub(super) fn all(spans: &[Span]) -> Vec<Self> {
        let mut exchanges: BTreeMap<ExchangeId, Self> = BTreeMap::new();
        for (at, span) in spans.iter().enumerate() {
            let (Some(id), Some(role), Some(side)) = (span.exchange(), span.role(), span.half())
            else {
                continue;
            };
            if role == Role::Hop {
                continue;
            }
            let halves = exchanges.entry(id).or_default().0.entry(role).or_default();
            let known = halves.of(side);
            let order = |at: usize| (&spans[at].resource.sender, spans[at].start_ns, spans[at].id);
            if known.is_none_or(|known| order(at) < order(known)) {
                *known = Some(at);
            }
        }
        exchanges.into_values().collect()
    }

    /// The halves with this role.
    pub(super) fn halves(&self, role: Role) -> Halves {
        self.0.get(&role).copied().unwrap_or_default()
    }

    /// All halves of one side.
    pub(super) fn of_side(&self, side: Side) -> impl Iterator<Item = usize> {
        let halves = self.0.values().copied();
        halves.filter_map(move |mut halves| *halves.of(side))
    }

    /// The roles of which both halves are there: the client's and the server's.
    pub(super) fn whole(&self) -> impl Iterator<Item = (Role, [usize; 2])> {
        let roles = self.0.iter();
        roles.filter_map(|(role, halves)| Some((*role, halves.both()?)))
    }
}
