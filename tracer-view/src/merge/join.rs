//! Copies of one span to one span. In: spans in any order, on one clock. Out: each span once, with
//! the copies it was made of. The rules of joining are here and nowhere else; the application's
//! spans have no copies.

use std::collections::HashMap;
use std::sync::Arc;

use tracer_semconv::{Role, Side};

use super::align::Aligned;
use crate::id::SpanId;
use crate::span::{DataPlane, Facts, Layer, Sender, Span};
use crate::text::Text;

/// One span of the result.
pub(super) struct Joined {
    pub(super) span: Span,
    /// The spans it was made of; the client's half is first.
    pub(super) copies: Vec<SpanCopy>,
}

/// A span as it was sent.
pub(super) struct SpanCopy {
    /// Position in the input.
    pub(super) at: usize,
    /// Nanoseconds by which it was moved in time.
    pub(super) moved_ns: i128,
}

/// Joins the copies of each span.
pub(super) fn join(aligned: Aligned) -> Vec<Joined> {
    let Aligned { spans, moved_ns } = aligned;
    let groups = groups(&spans);
    let joined = groups.into_iter().filter_map(|positions| {
        let copies = positions.iter().map(|&at| spans[at].clone());
        Some(Joined {
            span: copies.reduce(join_two)?,
            copies: positions
                .into_iter()
                .map(|at| SpanCopy {
                    at,
                    moved_ns: moved_ns[at],
                })
                .collect(),
        })
    });
    joined.collect()
}

/// The positions of the copies of each span, in an order that does not depend on which came first:
/// the client's half before the server's, and a wire's copies by time.
fn groups(spans: &[Span]) -> Vec<Vec<usize>> {
    let mut known: HashMap<(SpanId, Option<Role>), usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::with_capacity(spans.len());
    for (at, span) in spans.iter().enumerate() {
        // Two roles under one id are not copies of one span.
        let group = span
            .data_plane()
            .map(|of| *known.entry((span.id, of.role)).or_insert(groups.len()));
        match group.and_then(|group| groups.get_mut(group)) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    for group in &mut groups {
        group.sort_by(|&a, &b| order(&spans[a]).cmp(&order(&spans[b])));
    }
    groups
}

fn order(span: &Span) -> (u8, u64, u64, &Sender) {
    let side = match span.half() {
        Some(Side::Client) => 0,
        None => 1,
        Some(Side::Server) => 2,
    };
    (side, span.start_ns, span.end_ns, &span.resource.sender)
}

/// From the first start to the last end, with the values of both; where both have a value, the
/// first's.
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
        // Both nodes count a packet that was lost behind the first node's last hop.
        retransmits: a.retransmits.max(b.retransmits),
        drop_reason: a.drop_reason.or(b.drop_reason),
        drop_hop: a.drop_hop.or(b.drop_hop),
        drop_by: a.drop_by.or(b.drop_by),
        refusal: a.refusal.or(b.refusal),
        rules_service: a.rules_service.or(b.rules_service),
        correlation: a.correlation.or(b.correlation),
        // One node may have seen the window close, or both.
        zero_window_ns: a.zero_window_ns.max(b.zero_window_ns),
        incomplete: join_incomplete(a.incomplete, b.incomplete),
        service: a.service.or(b.service),
        pod: a.pod.or(b.pod),
        destination: a.destination.or(b.destination),
        skew: a.skew.or(b.skew),
    }
}

/// Each half has what its own node did not see.
fn join_incomplete(a: Option<Text>, b: Option<Text>) -> Option<Text> {
    match (a, b) {
        (Some(a), Some(b)) if a != b && !a.as_str().is_empty() && !b.as_str().is_empty() => {
            Some(Text::clean(&format!("{a}, {b}")))
        }
        (Some(a), Some(b)) if a.as_str().is_empty() => Some(b),
        (a, b) => a.or(b),
    }
}
