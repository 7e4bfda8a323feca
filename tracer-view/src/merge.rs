//! The halves of exchanges between nodes to whole ones. In: the spans of one trace as they were sent, where each agent sent
//! what its own node saw. Out: the same spans, each id once, on one clock. Pure; knows no tree and no layout.
//!
//! Agents derive the ids of `exchange`, `connect`, `request`, `response` and of `wire` hops alike: of two nodes there are two
//! copies of each, the client's and the server's. A wire hop is a moment in each: when the packet left, and when it arrived.
//! Everything that the server's agent sent for an exchange is moved by as much as its clock contradicts the client's
//! ([`skew`]), then copies are joined ([`join`]): the hops partition the whole. The application's spans stay as they are.

mod family;
mod join;
mod requests;
mod skew;

use std::borrow::Cow;
use std::collections::HashMap;

use tracer_semconv::Side;

use crate::span::{DataPlane, Layer, Span, SpanId};
use family::Family;

pub use requests::merge_requests;
pub use skew::Skew;

/// Joins what several agents sent of one exchange. Spans that no other agent has a copy of are the same before and after, but
/// for their times, where their agent's clock was found to be off.
///
/// Nothing is copied where one agent saw all.
pub fn merge(spans: &[Span]) -> Cow<'_, [Span]> {
    if is_of_one_node(spans) {
        return Cow::Borrowed(spans);
    }
    let Aligned { spans, .. } = Aligned::of(spans);
    let groups = join::groups(&spans);
    let whole = groups
        .iter()
        .filter_map(|copies| join::one_of(&spans, copies));
    Cow::Owned(whole.collect())
}

/// The spans of a trace on one clock, and by how much each was moved for it.
struct Aligned {
    spans: Vec<Span>,
    moved_ns: Vec<i128>,
}

impl Aligned {
    fn of(spans: &[Span]) -> Self {
        let mut aligned = Self {
            spans: spans.to_vec(),
            moved_ns: vec![0; spans.len()],
        };
        let index = Index::of(spans);
        for exchange in index.exchanges(spans) {
            let family = Family::of(exchange, &index, spans);
            if let Some(skew) = family.skew(&index, spans) {
                aligned.take_out(&family, skew);
            }
        }
        aligned
    }

    fn take_out(&mut self, family: &Family, skew: Skew) {
        for &member in &family.of_server {
            self.spans[member].shift(-skew.taken_ns);
            self.moved_ns[member] -= skew.taken_ns;
        }
        if let (Some(client), Some(_)) = (family.client, family.server) {
            note(&mut self.spans[client], skew);
        }
    }
}

fn is_of_one_node(spans: &[Span]) -> bool {
    let mut measured = spans.iter().filter(|span| span.data_plane().is_some());
    let Some(first) = measured.next() else {
        return true;
    };
    let is_of_first = |span: &Span| span.resource.sender == first.resource.sender;
    half(first).is_none() && measured.all(|span| half(span).is_none() && is_of_first(span))
}

fn half(span: &Span) -> Option<Side> {
    span.data_plane().and_then(|data_plane| data_plane.half)
}

fn note(exchange: &mut Span, skew: Skew) {
    if let Layer::DataPlane(DataPlane { facts, .. }) = &mut exchange.layer {
        facts.get_or_insert_default().skew = Some(skew);
    }
}

/// Where the spans of a trace are.
struct Index {
    /// The data-plane spans of an id: more than one where several agents sent it.
    copies: HashMap<SpanId, Vec<usize>>,
    /// The data-plane spans that name an id as their parent.
    below: HashMap<SpanId, Vec<usize>>,
    /// The application's spans.
    application: HashMap<SpanId, usize>,
}

impl Index {
    fn of(spans: &[Span]) -> Self {
        let mut index = Self {
            copies: HashMap::new(),
            below: HashMap::new(),
            application: HashMap::new(),
        };
        for (at, span) in spans.iter().enumerate() {
            if span.data_plane().is_none() {
                index.application.entry(span.id).or_insert(at);
                continue;
            }
            index.copies.entry(span.id).or_default().push(at);
            if let Some(parent) = span.parent {
                index.below.entry(parent).or_default().push(at);
            }
        }
        index
    }

    fn below(&self, id: SpanId) -> &[usize] {
        self.below.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The exchanges of which there is a half.
    fn exchanges(&self, spans: &[Span]) -> Vec<SpanId> {
        let is_half_exchange = |at: &usize| family::is_exchange(&spans[*at], None);
        let with_half = self
            .copies
            .iter()
            .filter(|(_, copies)| copies.iter().any(is_half_exchange));
        with_half.map(|(id, _)| *id).collect()
    }
}
