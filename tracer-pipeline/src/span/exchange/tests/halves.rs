//! The spans of one exchange from the two nodes it crosses.

use tracer_common::remote::REMOTE;

use super::*;
use crate::http::trace_context::Extraction;

/// The exchange on the client's node.
pub(crate) fn client_half() -> Exchange {
    let mut exchange = exchange(TRACE);
    let connect = exchange.connect.as_mut().unwrap();
    leaves(&mut connect.syn);
    arrives(connect.syn_ack.as_mut().unwrap());
    leaves(&mut exchange.request);
    arrives(exchange.response.as_mut().unwrap());
    exchange
}

/// The exchange on the server's node, where packets arrive with the pod's address.
pub(crate) fn server_half() -> Exchange {
    let mut exchange = exchange(TRACE);
    let connect = exchange.connect.as_mut().unwrap();
    arrives(&mut connect.syn);
    leaves(connect.syn_ack.as_mut().unwrap());
    arrives(&mut exchange.request);
    leaves(exchange.response.as_mut().unwrap());
    let journey = &mut exchange.request.journey;
    let received = journey.received.unwrap();
    journey.sent = received;
    journey.conntrack = Some(Conntrack {
        original: received,
        reply: received.reversed(),
    });
    exchange
}

fn leaves(leg: &mut Leg) {
    leg.journey.end = End::Left;
    leg.journey.received = None;
    leg.journey.receiver_cookie = 0;
    leg.journey.stamps.last_mut().unwrap().hook = Hook::DeviceTransmit;
    leg.read_ns = None;
}

fn arrives(leg: &mut Leg) {
    leg.journey.sender_cookie = REMOTE | 5;
    leg.journey.stamps[0].hook = Hook::UplinkReceive;
}

pub(super) fn make_half(node: &str, exchange: &Exchange) -> Vec<Span> {
    let trace = ExchangeTrace::of(exchange).unwrap();
    make_of_node(node, Detail::Hop, exchange, trace, 0)
}

/// Back ends keep one of two spans with the same id.
#[test]
fn no_id_occurs_twice() {
    // The second pair: a node port on another node that leads back to this one, which then has both
    // halves. The third: the packets pass through a node between the two.
    for nodes in [["one", "two"], ["one", "one"], ["two", "three"]] {
        let [client, server] = nodes;
        let mut spans = make_half(client, &client_half());
        spans.extend(make_half(server, &server_half()));
        let ids: BTreeSet<SpanId> = spans.iter().map(|span| span.span_id).collect();
        assert_eq!(ids.len(), spans.len(), "{nodes:?}");
    }
    let servers = ["two", "three"].map(|node| make_half(node, &server_half()));
    assert_ne!(servers[0][0].span_id, servers[1][0].span_id);
    assert_eq!(make_half("two", &server_half()), servers[0], "sent again");
}

#[test]
fn the_halves_have_one_parent_and_one_exchange() {
    let spans = [make(&client_half()), make(&server_half())].concat();
    let paths = spans
        .iter()
        .filter(|span| attribute(span, "hopspan.role") != "hop");
    let parents: BTreeSet<(SpanId, String)> = paths
        .map(|span| (span.parent_id, attribute(span, "hopspan.exchange.id")))
        .collect();
    assert_eq!(parents.len(), 1, "{parents:?}");
}

/// In an untraced request's trace each half has a root of its own, in case the other is missing.
#[test]
fn each_half_has_a_root() {
    let halves = [("one", client_half()), ("two", server_half())];
    let roots = halves.map(|(node, mut exchange)| {
        exchange.asked.trace = Extraction::None;
        let trace = Untraced::at_most(1).begin(&exchange).unwrap();
        let spans = make_of_node(node, Detail::Path, &exchange, trace, 0);
        assert!(
            spans[1..]
                .iter()
                .all(|span| span.parent_id == spans[0].span_id)
        );
        spans[0].clone()
    });
    assert_eq!(roots[0].trace_id, roots[1].trace_id);
    assert_ne!(roots[0].span_id, roots[1].span_id);
}

#[test]
fn spans_of_a_half_are_marked_and_complete() {
    for (exchange, half) in [(client_half(), "client"), (server_half(), "server")] {
        for span in make(&exchange) {
            let expected = if attribute(&span, "hopspan.role") == "hop" {
                ""
            } else {
                half
            };
            assert_eq!(attribute(&span, "hopspan.half"), expected, "{span:#?}");
            assert_eq!(attribute(&span, "hopspan.incomplete"), "", "{span:#?}");
            assert_eq!(span.error, None);
        }
    }
    let whole = make(&exchange(TRACE));
    assert!(
        whole
            .iter()
            .all(|span| attribute(span, "hopspan.half").is_empty())
    );
}

#[test]
fn each_half_covers_the_time_seen_on_its_node() {
    check(
        &client_half(),
        &[
            "connect 1000..1130",
            "request to wire 1200..1220",
            "response from wire 1300..1330",
        ],
    );
    check(
        &server_half(),
        &[
            "connect from wire 1000..1120",
            "request from wire 1200..1230",
            "response to wire 1300..1320",
        ],
    );
}

/// The other node's part of the handshake is within the client's `wire`.
#[test]
fn only_a_connect_has_a_wire() {
    let wires = |spans: &[Span]| -> Vec<String> {
        let wires = spans.iter().filter(|span| span.name == "wire");
        let parent = |wire: &Span| {
            let parents = spans.iter().filter(|span| span.span_id == wire.parent_id);
            parents
                .map(|span| span.name.to_string())
                .collect::<String>()
        };
        wires.map(parent).collect()
    };
    assert_eq!(wires(&make(&client_half())), ["connect"]);
    assert!(wires(&make(&server_half())).is_empty());
}

#[test]
fn the_server_s_half_has_no_attributes_of_a_translation_elsewhere() {
    let spans = make(&server_half());
    for key in [
        "hopspan.nat.original",
        "hopspan.kube_proxy.rule",
        "k8s.service.name",
    ] {
        assert_eq!(attribute(&spans[0], key), "", "{key}");
    }
    assert_eq!(attribute(&spans[0], "destination.address"), "10.201.1.12");
    let client = make(&client_half());
    assert_eq!(
        attribute(&client[0], "hopspan.nat.original"),
        "10.97.10.10:80"
    );
    assert_eq!(attribute(&client[0], "destination.address"), "10.201.1.12");
}
