//! Exchanges between nodes: two agents' halves become one whole, whatever comes first, is sent twice or is missing, and however
//! far the clocks are apart.

use std::collections::HashMap;
use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use tracer_semconv::{HopName, Role, Side, attribute};
use tracer_view::call::Call;
use tracer_view::decode::decode;
use tracer_view::merge::merge;
use tracer_view::span::Span;
use tracer_view::store::{Counts, Limits, Store};
use tracer_view::tree::{NodeId, Tree};

use crate::fixture::between::{
    Between, CLIENT_SPAN, CONNECT, EXCHANGE, REQUEST, RESPONSE, SERVER_SPAN, WIRES,
};
use crate::fixture::{SpanBuilder, check_expected};
use crate::waterfall::{UTF8_80, UTF8_200, lines, text};

pub(crate) fn spans(requests: &[ExportTraceServiceRequest]) -> Vec<Span> {
    let decoded = requests.iter().flat_map(|request| decode(request).spans);
    decoded.map(|(_, span)| span).collect()
}

pub(crate) fn by_id(spans: &[Span]) -> HashMap<u64, Span> {
    let id = |span: &Span| u64::from_str_radix(&span.id.to_string(), 16).unwrap();
    let by_id: HashMap<u64, Span> = spans.iter().map(|span| (id(span), span.clone())).collect();
    assert_eq!(by_id.len(), spans.len(), "an id is there twice");
    by_id
}

/// Children of the data plane are inside of their parents, and the hops of a whole path are its whole.
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

/// By how much node-2's clock is found to be ahead, and how sure that is, in microseconds.
fn check(between: Between, skew_us: i128, bound_us: u64) {
    let requests = between.requests();
    let sent = spans(&requests);
    let merged = merge(&sent);
    check_whole(&merged);
    let (sent, merged) = (by_id_of_application(&sent), by_id(&merged));
    for id in [CLIENT_SPAN, SERVER_SPAN] {
        assert_eq!(merged[&id], sent[&id], "the application's own");
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
        "{between:?}"
    );
    // The handshake's two crossings, then one each; the error of the offset goes from one way to the other.
    let error_us = i128::from(between.ahead_us) - skew_us;
    for ((wire, us), sign) in WIRES.iter().zip(between.wire_us).zip([1, -1, 1, -1]) {
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
    check(Between::default(), 0, 200);
}

#[test]
fn clocks_that_disagree_are_brought_together() {
    let ahead = |ahead_us| Between {
        ahead_us,
        ..Between::default()
    };
    // What is known best: SYN at most 200, response at most 190 µs under way. The middle is 5 µs off.
    check(ahead(50_000), 50_005, 195);
    check(ahead(-50_000), -49_995, 195);
    check(ahead(5_000_000), 5_000_005, 195);
    check(ahead(-5_000_000), -4_999_995, 195);
    // Less than the packets took: nothing contradicts it.
    check(ahead(150), 0, 350);
    check(ahead(-150), 0, 340);
    // A request that lay on the wire for long says less than the handshake.
    let slow = Between {
        wire_us: [100, 100, 40_000, 100],
        ahead_us: 20_000,
        ..Between::default()
    };
    check(slow, 20_000, 100);
}

#[test]
fn one_half_is_shown_as_such() {
    let between = Between {
        ahead_us: -50_000,
        ..Between::default()
    };
    let [client, server, of_1, of_2] = between.requests();
    // The server's half is moved into the client's span, which it must lie in.
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

    // A connection that was opened ahead is no reason to move anything.
    let [mut client_later, server_span, _, right] = Between::default().requests();
    let span = &mut client_later.resource_spans[0].scope_spans[0].spans[0];
    span.start_time_unix_nano += 300_000;
    let sent = spans(&[client_later, server_span, right]);
    let request = &by_id(&sent)[&REQUEST];
    assert!(
        request.start_ns > sent[0].start_ns && by_id(&sent)[&CONNECT].start_ns < sent[0].start_ns
    );
    assert_eq!(merge(&sent), sent);

    // The client's is where it is.
    let sent = spans(&[client.clone(), server, of_1]);
    assert_eq!(merge(&sent), sent);

    // Neither has anything to be compared with.
    let alone = spans(&[between.requests()[3].clone()]);
    assert_eq!(merge(&alone), alone);

    // What one node saw of a path is not the path.
    let tree = Tree::new(&sent);
    let times = Call::all(&tree)[0].times;
    assert_eq!((times.connect_ns, times.data_plane_ns()), (None, None));
    let client_span = sent[0].duration_ns();
    assert_eq!(times.client_span_ns, client_span);
}

/// The client's node tells of the second packet, the server's of the first, which had arrived all the same.
#[test]
fn a_message_sent_again_says_nothing_of_clocks() {
    let mut requests = Between::default().requests();
    for span in &mut requests[2].resource_spans[0].scope_spans[0].spans {
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
fn whoever_is_first_and_whatever_is_sent_again() {
    let between = Between {
        ahead_us: 50_000,
        ..Between::default()
    };
    let requests = between.requests();
    let expected = by_id(&merge(&spans(&requests)));
    assert_eq!(permutations().len(), 24);
    for order in permutations() {
        let mut store = Store::new(Limits {
            traces: 1,
            spans: 1_000,
            spans_per_trace: 1_000,
        });
        for &which in order.iter().chain(&order[1..3]) {
            store.insert(decode(&requests[which]).spans, Instant::now());
        }
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

/// A node that sends to itself by way of another, as through a node port there, sees both halves.
#[test]
fn one_agent_may_send_both_halves() {
    let mut requests = Between::default().requests();
    let resource = requests[2].resource_spans[0].resource.clone();
    requests[3].resource_spans[0].resource = resource;
    let mut store = Store::new(Limits {
        traces: 1,
        spans: 1_000,
        spans_per_trace: 1_000,
    });
    for request in requests.iter().chain(&requests) {
        store.insert(decode(request).spans, Instant::now());
    }
    let kept = &store.traces().next().unwrap().spans;
    assert_eq!(*kept, spans(&requests), "and nothing twice");
    check_whole(&merge(kept));
}

#[test]
fn copies_of_one_span_count_against_the_bounds() {
    let mut store = Store::new(Limits {
        traces: 1,
        spans: 100,
        spans_per_trace: 5,
    });
    for request in Between::default().requests() {
        store.insert(decode(&request).spans, Instant::now());
    }
    let kept = store.traces().next().unwrap();
    assert_eq!(kept.spans.len(), 5);
    assert_eq!(kept.refused, store.counts().over_trace_limit);
    assert_eq!(store.counts().duplicates, 0);
}

#[test]
fn the_page_says_which_node_and_whose_clock() {
    let between = Between {
        ahead_us: 50_000,
        ..Between::default()
    };
    let requests = between.requests();
    check_expected("halves-80.txt", &text(&lines(&requests, UTF8_80), false));
    check_expected("halves-200.txt", &text(&lines(&requests, UTF8_200), false));
    let [client, server, _, of_2] = requests;
    let half = text(&lines(&[client, server, of_2], UTF8_80), false);
    check_expected("half-80.txt", &half);
}

proptest! {
    /// Whatever is missing, and in whatever order the rest comes: no id twice, the application's spans and the client's node
    /// untouched, and the same result from any order.
    #[test]
    fn any_part_in_any_order(
        wire_us in [0u64..3_000, 0u64..3_000, 0u64..3_000, 0u64..3_000],
        work_us in 0u64..100_000,
        ahead_us in -8_000_000i64..8_000_000,
        seed in any::<u64>(),
        keep in 0u8..=8,
    ) {
        let sent = spans(&Between { wire_us, ahead_us, work_us }.requests());
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
        // The client's node is what others are measured by.
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
