//! Exchanges between nodes: the halves of two agents become one exchange, however far the clocks are
//! apart.

use opentelemetry_semantic_conventions::attribute as otel;
use tracer_semconv::{HopName, Role, Side, attribute, correlation, error};
use tracer_view::call::Call;
use tracer_view::merge::merge;
use tracer_view::span::Span;
use tracer_view::tree::Tree;

use crate::decoded::{WIDE, by_id, spans, store};
use crate::fixture::two_nodes::{CLIENT_HALVES, CLIENT_SPAN, REQUEST, TwoNodes};
use crate::fixture::{SpanBuilder, check_expected, hop_span, role_span, spans_of, string};
use crate::halves::{check, check_whole, skew_of};
use crate::printed::{UTF8_80, UTF8_200, printed};

#[test]
fn two_halves_are_one_exchange() {
    check(TwoNodes::default(), 0, 200);
}

/// Each agent sends hops as spans or as an attribute of their path.
#[test]
fn hops_may_be_spans_of_one_node_and_an_attribute_of_the_other() {
    for hop_spans in [[true, false], [false, true], [false, false]] {
        let case = TwoNodes {
            hop_spans,
            ahead_us: 50_000,
            ..TwoNodes::default()
        };
        check(case, 50_005, 195);
    }
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

/// The client's node recorded the second packet, the server's node the first, which had arrived all
/// the same.
#[test]
fn a_retransmitted_message_moves_no_clock() {
    let mut requests = TwoNodes::default().requests();
    for span in spans_of(&mut requests[2]) {
        if span.span_id == REQUEST.to_be_bytes() {
            span.end_time_unix_nano += 1_000_000;
            *span = span.clone().int(attribute::TCP_RETRANSMITS, 1);
        }
    }
    let sent = spans(&requests);
    let merged = merge(&sent);
    let skew = skew_of(&by_id(&merged)).unwrap();
    assert_eq!((skew.taken_ns, skew.bound_ns), (0, Some(200_000)));
    let hops = |spans: &[Span]| -> Vec<(u64, u64)> {
        let of_server = spans
            .iter()
            .filter(|span| span.name.as_str() == HopName::ServerStack.as_str());
        of_server.map(|span| (span.start_ns, span.end_ns)).collect()
    };
    assert_eq!(hops(&merged), hops(&sent), "nothing was moved");
}

/// Packets may arrive on a third node and pass through it. All halves that are joined are of one
/// agent; the other's stay halves.
#[test]
fn of_two_nodes_on_the_server_s_side_one_is_joined() {
    let case = TwoNodes::default();
    let third = {
        let mut request = case.requests()[3].clone();
        for span in spans_of(&mut request) {
            let other = |bytes: &[u8]| {
                let id = u64::from_be_bytes(bytes.try_into().unwrap());
                (id + if id == CLIENT_SPAN { 0 } else { 0x10_0000 })
                    .to_be_bytes()
                    .to_vec()
            };
            span.span_id = other(&span.span_id);
            span.parent_span_id = other(&span.parent_span_id);
            // Earlier on the way there, later on the way back.
            let is_response = span.name.starts_with("response");
            let by_ns = if is_response { 50_000 } else { -50_000 };
            for at_ns in [&mut span.start_time_unix_nano, &mut span.end_time_unix_nano] {
                *at_ns = at_ns.checked_add_signed(by_ns).unwrap();
            }
        }
        let resource = request.resource_spans[0].resource.as_mut().unwrap();
        resource
            .attributes
            .push(string(otel::SERVICE_INSTANCE_ID, "third"));
        request
    };
    let [client, server, of_1, of_2] = case.requests();
    let merged = merge(&spans(&[client, server, of_1, of_2, third])).into_owned();
    let halves: Vec<&Span> = merged
        .iter()
        .filter(|span| span.data_plane().is_some_and(|of| of.half.is_some()))
        .collect();
    assert_eq!(halves.len(), 3);
    let sender = &halves[0].resource.sender;
    assert!(halves.iter().all(|half| half.resource.sender == *sender));
}

/// It stands below the client's span, beside the exchange, and is of the server's clock.
#[test]
fn a_connect_that_failed_while_served_moves_with_the_server() {
    let case = TwoNodes {
        ahead_us: 50_000,
        ..TwoNodes::default()
    };
    let mut requests = case.requests();
    let ms = 10_001_000 + 50_000;
    let failed = role_span(0x90, CLIENT_SPAN, Role::Connect, ms, 500)
        .text(otel::ERROR_TYPE, error::TIMEOUT)
        .text(attribute::CORRELATION, correlation::INFERRED)
        .half(Side::Client);
    let hop = hop_span(0x91, 0x90, HopName::ClientStack, ms, 500);
    spans_of(&mut requests[3]).extend([failed, hop]);
    let sent = by_id(&spans(&requests));
    let merged = by_id(&merge(&spans(&requests)));
    for id in [0x90, 0x91] {
        assert_eq!(merged[&id].start_ns, sent[&id].start_ns - 50_005_000);
    }
    assert_eq!(merged[&0x90].data_plane().unwrap().half, Some(Side::Client));
}

/// The rest of the body is time in which the server sends.
#[test]
fn a_body_counts_neither_as_wire_nor_as_data_plane() {
    let bodies = [0, 700].map(|body_us| {
        let case = TwoNodes {
            body_us,
            ..TwoNodes::default()
        };
        check(case, 0, 200);
        let sent = spans(&case.requests());
        let merged = merge(&sent);
        let tree = Tree::new(&merged);
        Call::all(&tree)[0].times
    });
    assert_eq!(bodies.map(|times| times.body_ns), [None, Some(700_000)]);
    assert_eq!(bodies[0].response_ns, bodies[1].response_ns);
    assert_eq!(bodies[0].data_plane_ns(), bodies[1].data_plane_ns());
}

/// Each agent sends a root of its own for its half.
#[test]
fn the_roots_of_two_nodes_are_one() {
    let case = TwoNodes {
        ahead_us: 50_000,
        untraced: true,
        ..TwoNodes::default()
    };
    check(case, 50_005, 195);
    let sent = spans(&case.requests());
    for spans in [sent.clone(), sent.iter().rev().cloned().collect()] {
        let merged = merge(&spans);
        let tree = Tree::new(&merged);
        let [root] = tree.roots[..] else {
            panic!("{:?}", tree.roots)
        };
        let span = tree.nodes[root].span;
        assert_eq!(span.role(), Some(Role::Exchange));
        assert_eq!(span.id, by_id(&sent)[&CLIENT_HALVES[0]].id);
        assert_eq!(span.data_plane().unwrap().half, None);
        let roles = tree.nodes[root]
            .children
            .iter()
            .map(|&id| tree.nodes[id].span.role());
        let expected = [Role::Connect, Role::Request, Role::Response].map(Some);
        assert_eq!(roles.collect::<Vec<_>>(), expected);
    }
    // One root alone is a half.
    let alone = spans(&case.requests()[3..]);
    assert_eq!(merge(&alone), alone);
    check_expected("untraced-80.txt", &printed(&case.requests(), UTF8_80));
    check_expected(
        "untraced-half-80.txt",
        &printed(&case.requests()[3..], UTF8_80),
    );
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
    assert_eq!(**kept, spans(&requests), "each span once");
    check_whole(&merge(kept));
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
    // As an attribute, hops are shown as the spans are.
    let case = TwoNodes {
        hop_spans: [false, false],
        ..case
    };
    check_expected("halves-80.txt", &printed(&case.requests(), UTF8_80));
}
