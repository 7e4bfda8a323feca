//! Spans of two nodes after the merge, and what must hold of them.

use std::collections::HashMap;

use tracer_semconv::{HopName, Role};
use tracer_view::merge::merge;
use tracer_view::span::{Skew, Span};
use tracer_view::tree::{NodeId, Tree};

use crate::decoded::{by_id, spans};
use crate::fixture::two_nodes::{CONNECT, REQUEST, RESPONSE, TwoNodes};

/// The paths are below the client span, and the hops of each partition it.
pub(crate) fn check_whole(spans: &[Span]) {
    let tree = Tree::new(spans);
    let role = |id: &NodeId| tree.nodes[*id].span.role();
    let is_path = |id: &NodeId| role(id).is_some_and(Role::is_path);
    let paths: Vec<NodeId> = (0..tree.nodes.len()).filter(is_path).collect();
    assert_eq!(paths.len(), 3);
    let hops = (0..tree.nodes.len()).filter(|id| role(id) == Some(Role::Hop));
    assert!(
        hops.into_iter()
            .all(|hop| paths.contains(&tree.nodes[hop].parent.unwrap()))
    );
    for path in paths {
        let path = &tree.nodes[path];
        let mut at_ns = path.span.start_ns;
        for &hop in &path.children {
            let hop = tree.nodes[hop].span;
            assert_eq!(hop.start_ns, at_ns, "{} of {}", hop.name, path.span.name);
            at_ns = hop.end_ns;
        }
        assert_eq!(at_ns, path.span.end_ns, "end of {}", path.span.name);
    }
}

/// The wires of connect, request and response: receiving node, and nanoseconds.
pub(crate) fn wires(spans: &[Span]) -> Vec<(String, u64)> {
    let mut wires: Vec<&Span> = spans
        .iter()
        .filter(|span| span.name.as_str() == HopName::Wire.as_str())
        .collect();
    wires.sort_by_key(|wire| (wire.start_ns, wire.end_ns));
    let receiver = |wire: &Span| {
        wire.data_plane()?
            .peer
            .as_ref()?
            .node()
            .map(ToString::to_string)
    };
    let wires = wires
        .iter()
        .map(|wire| (receiver(wire).unwrap(), wire.duration_ns()));
    wires.collect()
}

pub(crate) fn skew_of(merged: &HashMap<u64, Span>) -> Option<Skew> {
    let facts = merged[&REQUEST].data_plane().unwrap().facts.as_ref();
    facts.and_then(|facts| facts.skew)
}

/// Checks the merged exchange, and the skew that is found: microseconds by which node-2's clock is
/// ahead, and its bound.
pub(crate) fn check(case: TwoNodes, skew_us: i128, bound_us: u64) {
    let sent = spans(&case.requests());
    let all = merge(&sent);
    check_whole(&all);
    let (sent, merged) = (by_id_of_application(&sent), by_id(&all));
    for (id, span) in sent {
        assert_eq!(
            merged[&id], span,
            "the application's spans stay as they are"
        );
    }
    for id in [CONNECT, REQUEST, RESPONSE] {
        let whole = merged[&id].data_plane().unwrap();
        assert_eq!(whole.half, None);
        let nodes = [Some(&merged[&id].resource), whole.peer.as_ref()];
        let nodes = nodes.map(|resource| resource.unwrap().node().unwrap().as_str());
        assert_eq!(nodes, ["node-1", "node-2"]);
        let facts = whole.facts.as_ref().unwrap();
        let address = facts.nat_original.as_ref().unwrap();
        assert_eq!(address.as_str(), "10.96.0.9:80");
    }
    let skew = skew_of(&merged).unwrap();
    assert_eq!(
        (skew.taken_ns, skew.bound_ns),
        (skew_us * 1_000, Some(bound_us * 1_000)),
        "{case:?}"
    );
    // The wires are SYN, SYN-ACK, request, response. What the offset is wrong by is added to one
    // direction and missing from the other.
    let error_us = i128::from(case.ahead_us) - skew_us;
    let expected = case.wire_us.iter().zip([1, -1, 1, -1]).map(|(us, sign)| {
        let receiver = if sign > 0 { "node-2" } else { "node-1" };
        let ns = (i128::from(*us) + sign * error_us) * 1_000;
        (receiver.to_owned(), u64::try_from(ns).unwrap())
    });
    assert_eq!(wires(&all), expected.collect::<Vec<_>>(), "{case:?}");
}

pub(crate) fn by_id_of_application(spans: &[Span]) -> HashMap<u64, Span> {
    let application = spans.iter().filter(|span| span.data_plane().is_none());
    by_id(&application.cloned().collect::<Vec<_>>())
}
