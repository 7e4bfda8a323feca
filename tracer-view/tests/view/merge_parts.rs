//! Exchanges between nodes in any order, with parts missing or sent again.

use proptest::prelude::*;
use tracer_semconv::{HopName, Role, Side};
use tracer_view::call::Call;
use tracer_view::merge::merge;
use tracer_view::span::Span;
use tracer_view::store::{Counts, Limits};
use tracer_view::tree::Tree;

use crate::decoded::{WIDE, by_id, spans, store};
use crate::fixture::spans_of;
use crate::fixture::two_nodes::{
    CLIENT_HALVES, CLIENT_SPAN, CONNECT, REQUEST, RESPONSE, SERVER_HALVES, TwoNodes,
};
use crate::halves::{by_id_of_application, check_whole, skew_of};

#[test]
fn one_half_stays_a_half() {
    let case = TwoNodes {
        ahead_us: -50_000,
        ..TwoNodes::default()
    };
    let [client, server, of_1, of_2] = case.requests();
    // The server's half is moved to lie within the client's span.
    let merged = by_id(&merge(&spans(&[client.clone(), server.clone(), of_2])));
    let parent = &merged[&CLIENT_SPAN];
    for id in &SERVER_HALVES[1..] {
        let half = &merged[id];
        assert_eq!(half.data_plane().unwrap().half, Some(Side::Server));
        assert!(parent.start_ns <= half.start_ns && half.end_ns <= parent.end_ns);
        let facts = half.data_plane().unwrap().facts.as_ref();
        assert_eq!(
            facts.and_then(|facts| facts.skew),
            None,
            "no skew without a second half"
        );
        // Its hops go with it.
        let first_hop = &merged[&(id * 0x100)];
        assert_eq!(first_hop.start_ns, half.start_ns);
    }

    // A handshake before the client's span moves nothing: a pool may have opened the connection
    // ahead.
    let [mut client_later, server_span, _, of_2] = TwoNodes::default().requests();
    let span = &mut spans_of(&mut client_later)[0];
    span.start_time_unix_nano += 300_000;
    let sent = spans(&[client_later, server_span, of_2]);
    let start_ns = |id: u64| by_id(&sent)[&id].start_ns;
    let [_, connect, request, _] = SERVER_HALVES;
    assert!(start_ns(request) > sent[0].start_ns && start_ns(connect) < sent[0].start_ns);
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

/// One path may be without one half, as when an agent's queue was full.
#[test]
fn paths_are_joined_each_for_itself() {
    let case = TwoNodes {
        ahead_us: 50_000,
        ..TwoNodes::default()
    };
    for (missing, joined) in [(1, [REQUEST, RESPONSE]), (3, [CONNECT, REQUEST])] {
        for node in [0, 1] {
            let id = [CLIENT_HALVES, SERVER_HALVES][node][missing];
            let other = [SERVER_HALVES, CLIENT_HALVES][node][missing];
            let mut requests = case.requests();
            let below = |parent: &[u8]| parent == id.to_be_bytes();
            spans_of(&mut requests[2 + node])
                .retain(|span| span.span_id != id.to_be_bytes() && !below(&span.parent_span_id));
            let merged = by_id(&merge(&spans(&requests)));
            let half = |id: u64| merged[&id].data_plane().unwrap().half;
            assert_eq!(joined.map(half), [None, None]);
            assert!(half(other).is_some());
            let skew_ns = skew_of(&merged).unwrap().taken_ns;
            assert!((49_900_000..=50_100_000).contains(&skew_ns), "{skew_ns}");
        }
    }
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

#[test]
fn halves_and_their_hops_count_against_the_bounds() {
    let kept = |hop_spans: [bool; 2], spans_per_trace: usize| {
        let limits = Limits {
            spans_per_trace,
            ..WIDE
        };
        let case = TwoNodes {
            hop_spans,
            ..TwoNodes::default()
        };
        let store = store(&case.requests(), limits);
        let trace = store.traces().next().unwrap();
        assert_eq!(trace.refused, store.counts().over_trace_limit);
        assert_eq!(store.counts().duplicates, 0);
        trace.spans.len()
    };
    assert_eq!(kept([true, true], 5), 5);
    // Two applications' spans, and the connect with its seven hops.
    assert_eq!(kept([false, false], 2 + 8), 3);
    assert_eq!(
        kept([false, false], 2 + 7),
        2 + 1,
        "there is room for another path"
    );
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
        hop_spans in any::<[bool; 2]>(),
        untraced in any::<bool>(),
    ) {
        let case = TwoNodes { wire_us, ahead_us, work_us, hop_spans, untraced, body_us: work_us / 2 };
        let sent = spans(&case.requests());
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
            span.role() == Some(Role::Hop) && span.name.as_str() != HopName::Wire.as_str() && span.resource.node().unwrap().as_str() == "node-1"
        };
        for (id, hop) in by_id(&kept.into_iter().filter(|span| is_hop_of_first(&span)).collect::<Vec<_>>()) {
            prop_assert_eq!(&merged[&id], &hop);
        }
    }
}
