//! Exchanges between nodes: the halves of two agents become one exchange, in any order, with parts
//! missing or sent again, and however far the clocks are apart.

use std::collections::HashMap;

use proptest::prelude::*;
use tracer_semconv::{HopName, Role, Side, attribute};
use tracer_view::call::Call;
use tracer_view::merge::merge;
use tracer_view::span::Span;
use tracer_view::store::{Counts, Limits};
use tracer_view::tree::{NodeId, Tree};

use crate::decoded::{WIDE, by_id, spans, store};
use crate::fixture::two_nodes::{
    CLIENT_SPAN, CONNECT, EXCHANGE, REQUEST, RESPONSE, SERVER_SPAN, TwoNodes, WIRES,
};
use crate::fixture::{SpanBuilder, check_expected, spans_of};
use crate::printed::{UTF8_80, UTF8_200, printed};

/// Every data-plane span lies within its parent, and the hops of each path partition it.
fn check_whole(spans: &[Span]) {
    let tree = Tree::new(spans);
    for node in tree
        .nodes
        .iter()
        .filter(|node| node.span.data_plane().is_some())
    {
        let parent = tree.nodes[node.parent.unwrap()].span;
        let inside = parent.start_ns <= node.span.start_ns && node.span.end_ns <= parent.end_ns;
        assert!(inside, "{:?} in {parent:?}", node.span);
    }
    let is_path = |id: &NodeId| tree.nodes[*id].span.role().is_some_and(Role::is_path);
    let paths: Vec<NodeId> = (0..tree.nodes.len()).filter(is_path).collect();
    assert_eq!(paths.len(), 3);
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

/// Checks the merged exchange, and the skew that is found: microseconds by which node-2's clock is
/// ahead, and its bound.
fn check(case: TwoNodes, skew_us: i128, bound_us: u64) {
    let requests = case.requests();
    let sent = spans(&requests);
    let merged = merge(&sent);
    check_whole(&merged);
    let (sent, merged) = (by_id_of_application(&sent), by_id(&merged));
    for id in [CLIENT_SPAN, SERVER_SPAN] {
        assert_eq!(
            merged[&id], sent[&id],
            "the application's spans stay as they are"
        );
    }
    for id in [EXCHANGE, CONNECT, REQUEST, RESPONSE] {
        let whole = merged[&id].data_plane().unwrap();
        assert_eq!(whole.half, None);
        let nodes = [Some(&merged[&id].resource), whole.peer.as_ref()];
        let nodes = nodes.map(|resource| resource.unwrap().node().unwrap().as_str());
        assert_eq!(nodes, ["node-1", "node-2"]);
    }
    let facts = merged[&EXCHANGE]
        .data_plane()
        .unwrap()
        .facts
        .as_ref()
        .unwrap();
    assert_eq!(
        facts.nat_original.as_ref().unwrap().as_str(),
        "10.96.0.9:80"
    );
    let skew = facts.skew.unwrap();
    assert_eq!(
        (skew.taken_ns, skew.bound_ns),
        (skew_us * 1_000, Some(bound_us * 1_000)),
        "{case:?}"
    );
    // The wires are SYN, SYN-ACK, request, response. What the offset is wrong by is added to one
    // direction and missing from the other.
    let error_us = i128::from(case.ahead_us) - skew_us;
    for ((wire, us), sign) in WIRES.iter().zip(case.wire_us).zip([1, -1, 1, -1]) {
        let expected = (i128::from(us) + sign * error_us) * 1_000;
        assert_eq!(i128::from(merged[wire].duration_ns()), expected, "{wire:x}");
    }
}

fn by_id_of_application(spans: &[Span]) -> HashMap<u64, Span> {
    let application = spans.iter().filter(|span| span.data_plane().is_none());
    by_id(&application.cloned().collect::<Vec<_>>())
}

#[test]
fn two_halves_are_one_exchange() {
    check(TwoNodes::default(), 0, 200);
}

#[test]
fn clocks_that_disagree_are_brought_together() {
    let ahead = |ahead_us| TwoNodes {
        ahead_us,
        ..TwoNodes::default()
    };
    // The SYN takes at most 200 µs, the response at most 190 µs. The middle of what is possible is
    // 5 µs off.
    check(ahead(50_000), 50_005, 195);
    check(ahead(-50_000), -49_995, 195);
    check(ahead(5_000_000), 5_000_005, 195);
    check(ahead(-5_000_000), -4_999_995, 195);
    // An offset shorter than the packets took: nothing contradicts that the clocks agree.
    check(ahead(150), 0, 350);
    check(ahead(-150), 0, 340);
    // A request that took long on the wire narrows the offset less than the handshake.
    let slow = TwoNodes {
        wire_us: [100, 100, 40_000, 100],
        ahead_us: 20_000,
        ..TwoNodes::default()
    };
    check(slow, 20_000, 100);
}

#[test]
fn one_half_stays_a_half() {
    let case = TwoNodes {
        ahead_us: -50_000,
        ..TwoNodes::default()
    };
    let [client, server, of_1, of_2] = case.requests();
    // The server's half is moved to lie within the client's span.
    let merged = by_id(&merge(&spans(&[client.clone(), server.clone(), of_2])));
    let exchange = &merged[&EXCHANGE];
    assert_eq!(exchange.data_plane().unwrap().half, Some(Side::Server));
    let (parent, none) = (&merged[&CLIENT_SPAN], None);
    assert!(parent.start_ns <= exchange.start_ns && exchange.end_ns <= parent.end_ns);
    assert_eq!(
        exchange.data_plane().unwrap().facts,
        none,
        "no skew without a second half"
    );
    // Its hops go with it.
    for id in [CONNECT, REQUEST, RESPONSE, WIRES[0]] {
        assert!(exchange.start_ns <= merged[&id].start_ns && merged[&id].end_ns <= exchange.end_ns);
    }

    // A handshake before the client's span moves nothing: a pool may have opened the connection
    // ahead.
    let [mut client_later, server_span, _, of_2] = TwoNodes::default().requests();
    let span = &mut spans_of(&mut client_later)[0];
    span.start_time_unix_nano += 300_000;
    let sent = spans(&[client_later, server_span, of_2]);
    let request = &by_id(&sent)[&REQUEST];
    assert!(
        request.start_ns > sent[0].start_ns && by_id(&sent)[&CONNECT].start_ns < sent[0].start_ns
    );
    assert_eq!(merge(&sent), sent);

    // The client's half is not moved.
    let sent = spans(&[client.clone(), server, of_1]);
    assert_eq!(merge(&sent), sent);

    // Without the client's span there is nothing to compare the server's half with.
    let alone = spans(&[case.requests()[3].clone()]);
    assert_eq!(merge(&alone), alone);

    // A path of which one node's part is missing has no duration.
    let tree = Tree::new(&sent);
    let times = Call::all(&tree)[0].times;
    assert_eq!((times.connect_ns, times.data_plane_ns()), (None, None));
    let client_span = sent[0].duration_ns();
    assert_eq!(times.client_span_ns, client_span);
}

/// The client's node recorded the second packet, the server's node the first, which had arrived all
/// the same.
#[test]
fn a_retransmitted_message_moves_no_clock() {
    let mut requests = TwoNodes::default().requests();
    for span in spans_of(&mut requests[2]) {
        if span.span_id == WIRES[2].to_be_bytes() {
            span.start_time_unix_nano += 1_000_000;
            span.end_time_unix_nano += 1_000_000;
        }
        if span.span_id == REQUEST.to_be_bytes() {
            *span = span.clone().int(attribute::TCP_RETRANSMITS, 1);
        }
    }
    let sent = spans(&requests);
    let merged = by_id(&merge(&sent));
    let exchange = merged[&EXCHANGE].data_plane().unwrap();
    let skew = exchange.facts.as_ref().unwrap().skew.unwrap();
    assert_eq!((skew.taken_ns, skew.bound_ns), (0, Some(200_000)));
    let hops = |spans: &[Span]| -> Vec<(u64, u64)> {
        let of_server = spans
            .iter()
            .filter(|span| span.name.as_str() == HopName::ServerStack.as_str());
        of_server.map(|span| (span.start_ns, span.end_ns)).collect()
    };
    assert_eq!(hops(&merge(&sent)), hops(&sent), "nothing was moved");
}

/// All orders of four things.
fn permutations() -> Vec<[usize; 4]> {
    let all = (0..256).map(|n| [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6]);
    let is_one = |order: &[usize; 4]| (0..4).all(|item| order.contains(&item));
    all.filter(is_one).collect()
}

#[test]
fn any_order_and_requests_sent_again_give_the_same_spans() {
    let case = TwoNodes {
        ahead_us: 50_000,
        ..TwoNodes::default()
    };
    let requests = case.requests();
    let expected = by_id(&merge(&spans(&requests)));
    assert_eq!(permutations().len(), 24);
    for order in permutations() {
        let received = order.iter().chain(&order[1..3]);
        let store = store(received.map(|&which| &requests[which]), WIDE);
        let sent = spans(&requests).len();
        let again = order[1..3]
            .iter()
            .map(|&which| spans(&requests[which..=which]).len());
        let again: usize = again.sum();
        let counts = Counts {
            offered: (sent + again) as u64,
            duplicates: again as u64,
            ..Counts::default()
        };
        assert_eq!(store.counts(), counts, "{order:?}");
        let trace = store.traces().next().unwrap();
        assert_eq!(trace.spans.len(), sent);
        assert_eq!(by_id(&merge(&trace.spans)), expected, "{order:?}");
    }
}

/// A node that sends to itself by way of another node, as through a NodePort there, sees both
/// halves.
#[test]
fn one_agent_may_send_both_halves() {
    let mut requests = TwoNodes::default().requests();
    let resource = requests[2].resource_spans[0].resource.clone();
    requests[3].resource_spans[0].resource = resource;
    let store = store(requests.iter().chain(&requests), WIDE);
    let kept = &store.traces().next().unwrap().spans;
    assert_eq!(*kept, spans(&requests), "each span once");
    check_whole(&merge(kept));
}

#[test]
fn copies_of_one_span_count_against_the_bounds() {
    let limits = Limits {
        spans_per_trace: 5,
        ..WIDE
    };
    let store = store(&TwoNodes::default().requests(), limits);
    let kept = store.traces().next().unwrap();
    assert_eq!(kept.spans.len(), 5);
    assert_eq!(kept.refused, store.counts().over_trace_limit);
    assert_eq!(store.counts().duplicates, 0);
}

#[test]
fn the_waterfall_names_the_nodes_and_the_clock_that_is_off() {
    let case = TwoNodes {
        ahead_us: 50_000,
        ..TwoNodes::default()
    };
    let requests = case.requests();
    check_expected("halves-80.txt", &printed(&requests, UTF8_80));
    check_expected("halves-200.txt", &printed(&requests, UTF8_200));
    let [client, server, _, of_2] = requests;
    let half = printed(&[client, server, of_2], UTF8_80);
    check_expected("half-80.txt", &half);
}

proptest! {
    /// With any spans missing and the others in any order: no id is there twice, the spans of the
    /// application and of the client's node stay as they are, and every order gives the same
    /// result.
    #[test]
    fn any_part_in_any_order(
        wire_us in [0u64..3_000, 0u64..3_000, 0u64..3_000, 0u64..3_000],
        work_us in 0u64..100_000,
        ahead_us in -8_000_000i64..8_000_000,
        seed in any::<u64>(),
        keep in 0u8..=8,
    ) {
        let sent = spans(&TwoNodes { wire_us, ahead_us, work_us }.requests());
        let whole = merge(&sent);
        check_whole(&whole);
        let random = |salt: usize| {
            let mixed = (seed ^ salt as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ mixed >> 29
        };
        let kept = sent.iter().enumerate().filter(|(at, _)| random(*at) % 8 < u64::from(keep));
        let kept: Vec<Span> = kept.map(|(_, span)| span.clone()).collect();
        let mut shuffled: Vec<(u64, Span)> =
            kept.iter().cloned().enumerate().map(|(at, span)| (random(at + 1_000), span)).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Span> = shuffled.into_iter().map(|(_, span)| span).collect();
        let merged = merge(&kept);
        prop_assert_eq!(by_id(&merged), by_id(&merge(&shuffled)));
        prop_assert_eq!(by_id_of_application(&merged), by_id_of_application(&kept));
        prop_assert!(merged.iter().all(|span| span.end_ns >= span.start_ns));
        // The client's clock is the reference: hops of its node do not move.
        let merged = by_id(&merged);
        let is_hop_of_first = |span: &&Span| {
            let hop = span.data_plane().is_some_and(|data_plane| data_plane.half.is_none());
            hop && span.name.as_str() != HopName::Wire.as_str() && span.resource.node().unwrap().as_str() == "node-1"
        };
        for (id, hop) in by_id(&kept.into_iter().filter(|span| is_hop_of_first(&span)).collect::<Vec<_>>()) {
            prop_assert_eq!(&merged[&id], &hop);
        }
    }
}
