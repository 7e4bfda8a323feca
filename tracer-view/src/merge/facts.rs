//! The facts of two halves to those of the whole. In: what each half has. Out: what the joined span
//! has.

use crate::span::Facts;
use crate::text::Text;

/// The values of both; where both have a value, the first's.
pub(super) fn join_facts(a: Facts, b: Facts) -> Facts {
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
        source: a.source.or(b.source),
        service: a.service.or(b.service),
        pod: a.pod.or(b.pod),
        destination: a.destination.or(b.destination),
        skew: a.skew.or(b.skew),
        // Hops have spans by now.
        hops: Box::default(),
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
