//! Copies of one span to one. In: spans in any order, on one clock. Out: which are copies of one span, and that span. The
//! application's spans have none.

use std::collections::HashMap;
use std::sync::Arc;

use tracer_semconv::{Role, Side};

use super::half;
use crate::span::{DataPlane, Facts, Layer, Sender, Span, SpanId};
use crate::text::Text;

/// Where the copies of each span are, those of one span together, in an order that does not depend on who came first: the
/// client's half before the server's; a wire's by when it was left.
pub(super) fn groups(spans: &[Span]) -> Vec<Vec<usize>> {
    let mut places: HashMap<(SpanId, Option<Role>), usize> = HashMap::new();
    let mut copies: Vec<Vec<usize>> = Vec::with_capacity(spans.len());
    for (at, span) in spans.iter().enumerate() {
        // Two roles under one id are no halves of anything.
        let place = span
            .data_plane()
            .map(|of| *places.entry((span.id, of.role)).or_insert(copies.len()));
        match place.and_then(|place| copies.get_mut(place)) {
            Some(known) => known.push(at),
            None => copies.push(vec![at]),
        }
    }
    for group in &mut copies {
        group.sort_by(|&a, &b| order(&spans[a]).cmp(&order(&spans[b])));
    }
    copies
}

/// The copies as one span.
pub(super) fn one_of(spans: &[Span], copies: &[usize]) -> Option<Span> {
    let copies = copies.iter().filter_map(|&at| spans.get(at).cloned());
    copies.reduce(join_two)
}

fn order(span: &Span) -> (u8, u64, u64, &Sender) {
    let side = match half(span) {
        Some(Side::Client) => 0,
        None => 1,
        Some(Side::Server) => 2,
    };
    (side, span.start_ns, span.end_ns, &span.resource.sender)
}

/// From first start to last end, with what either says; where both say something, what the first says.
fn join_two(mut first: Span, second: Span) -> Span {
    first.start_ns = match (first.start_ns, second.start_ns) {
        (0, only) | (only, 0) => only,
        (a, b) => a.min(b),
    };
    first.end_ns = first.end_ns.max(second.end_ns);
    first.failure = first.failure.or(second.failure);
    if let (Layer::DataPlane(to), Layer::DataPlane(from)) = (&mut first.layer, second.layer) {
        join_layers(to, from);
        to.peer.get_or_insert_with(|| Arc::clone(&second.resource));
    }
    first
}

fn join_layers(to: &mut DataPlane, from: DataPlane) {
    to.half = match (to.half, from.half) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => a.or(b),
    };
    to.hop = to.hop.take().or(from.hop);
    to.interface = to.interface.take().or(from.interface);
    to.facts = match (to.facts.take(), from.facts) {
        (Some(a), Some(b)) => Some(Box::new(join_facts(*a, *b))),
        (a, b) => a.or(b),
    };
}

fn join_facts(a: Facts, b: Facts) -> Facts {
    Facts {
        nat_original: a.nat_original.or(b.nat_original),
        nat_translated: a.nat_translated.or(b.nat_translated),
        nat_masquerade: a.nat_masquerade.or(b.nat_masquerade),
        rule: a.rule.or(b.rule),
        // A packet that was lost behind the first node's last hop is one that both count.
        retransmits: a.retransmits.max(b.retransmits),
        drop_reason: a.drop_reason.or(b.drop_reason),
        drop_hop: a.drop_hop.or(b.drop_hop),
        drop_by: a.drop_by.or(b.drop_by),
        refusal: a.refusal.or(b.refusal),
        rules_service: a.rules_service.or(b.rules_service),
        correlation: a.correlation.or(b.correlation),
        // The same closing, told by one or by both.
        zero_window_ns: a.zero_window_ns.max(b.zero_window_ns),
        incomplete: join_incomplete(a.incomplete, b.incomplete),
        service: a.service.or(b.service),
        pod: a.pod.or(b.pod),
        destination: a.destination.or(b.destination),
        skew: a.skew.or(b.skew),
    }
}

/// Each half says what its own node missed.
fn join_incomplete(a: Option<Text>, b: Option<Text>) -> Option<Text> {
    match (a, b) {
        (Some(a), Some(b)) if a != b && !a.as_str().is_empty() && !b.as_str().is_empty() => {
            Some(Text::clean(&format!("{a}, {b}")))
        }
        (Some(a), Some(b)) if a.as_str().is_empty() => Some(b),
        (a, b) => a.or(b),
    }
}
