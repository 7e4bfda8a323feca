//! Sentences about nodes whose clocks are off. In: a tree. Out: a line for each pair of nodes.
//! Knows no layout.

use std::collections::BTreeMap;

use tracer_semconv::Role;

use crate::duration::{PART_DIGITS, duration};
use crate::span::{Skew, Span};
use crate::text::Text;
use crate::tree::Tree;

/// Pairs with a line of their own; the others are only counted.
const MAX_PAIRS: usize = 3;

/// `clock of node-2 ahead of node-1's by 50.0 ms ± 0.2 ms, taken out`, by the request between the
/// two nodes with the least bound.
pub(super) fn lines(tree: &Tree<'_>) -> Vec<String> {
    let mut pairs: BTreeMap<(&Text, &Text), Skew> = BTreeMap::new();
    for (nodes, skew) in tree.nodes.iter().filter_map(|node| skewed(node.span)) {
        let known = pairs.entry(nodes).or_insert(skew);
        if uncertainty(skew) < uncertainty(*known) {
            *known = skew;
        }
    }
    let more = pairs.len().saturating_sub(MAX_PAIRS);
    let sentences = pairs.into_iter().take(MAX_PAIRS).map(sentence);
    let rest =
        (more > 0).then(|| format!("clocks of {more} more pairs of nodes are off, taken out"));
    sentences.chain(rest).collect()
}

fn skewed(span: &Span) -> Option<((&Text, &Text), Skew)> {
    let data_plane = span
        .data_plane()
        .filter(|_| span.role() == Some(Role::Request))?;
    let skew = span.facts()?.skew.filter(|skew| skew.taken_ns != 0)?;
    let server = data_plane.peer.as_ref()?.node()?;
    Some(((span.resource.node()?, server), skew))
}

fn uncertainty(skew: Skew) -> u64 {
    skew.bound_ns.unwrap_or(u64::MAX)
}

fn sentence(((client, server), skew): ((&Text, &Text), Skew)) -> String {
    let which = if skew.taken_ns > 0 {
        "ahead of"
    } else {
        "behind"
    };
    let by_ns = u64::try_from(skew.taken_ns.unsigned_abs()).unwrap_or(u64::MAX);
    let bound = skew.bound_ns.map_or_else(String::new, |ns| {
        format!(" ± {}", duration(ns, PART_DIGITS))
    });
    format!(
        "clock of {server} {which} {client}'s by {}{bound}, taken out",
        duration(by_ns, 4)
    )
}
