//! The spans of one exchange from the two nodes it crosses.

use std::collections::{BTreeMap, BTreeSet};

use tracer_common::remote::REMOTE;

use super::*;
use crate::http::trace_context::SpanId;

/// The exchange on the client's node.
fn client_half() -> Exchange {
    let mut exchange = exchange(TRACE);
    let connect = exchange.connect.as_mut().unwrap();
    leaves(&mut connect.syn);
    arrives(connect.syn_ack.as_mut().unwrap());
    leaves(&mut exchange.request);
    arrives(exchange.response.as_mut().unwrap());
    exchange
}

/// The exchange on the server's node, where packets arrive with the pod's address.
fn server_half() -> Exchange {
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

/// Parent ids of the spans whose name is `wanted`, by the first word of the name and span id.
fn ids(spans: &[Span], wanted: impl Fn(&str) -> bool) -> BTreeMap<(String, SpanId), SpanId> {
    spans
        .iter()
        .filter(|span| wanted(&span.name))
        .map(|span| {
            (
                (
                    span.name.split(' ').next().unwrap().to_owned(),
                    span.span_id,
                ),
                span.parent_id,
            )
        })
        .collect()
}

#[test]
fn both_nodes_derive_the_same_ids_for_shared_spans() {
    let is_shared = |name: &str| {
        name.starts_with("GET") || ["connect", "request", "response", "wire"].contains(&name)
    };
    let (client, server) = (make(&client_half()), make(&server_half()));
    let shared = ids(&client, is_shared);
    assert_eq!(shared, ids(&server, is_shared));
    // Exchange, three legs, and four wires: SYN, SYN-ACK, request, response.
    assert_eq!(shared.len(), 8);
    let own = |spans: &[Span]| -> BTreeSet<SpanId> {
        ids(spans, |name| !is_shared(name))
            .into_keys()
            .map(|(_, id)| id)
            .collect()
    };
    assert!(
        own(&client).is_disjoint(&own(&server)),
        "hops are each node's own"
    );
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
            "GET web-manual 1000..1330",
            "connect 1000..1130",
            "request 1200..1220",
            "response 1300..1330",
        ],
    );
    // The translation happened on the client's node, so the service is unknown here.
    check(
        &server_half(),
        &[
            "GET 1000..1320",
            "connect 1000..1120",
            "request 1200..1230",
            "response 1300..1320",
        ],
    );
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

/// A node port on another node that leads back to this one: this node has both halves.
#[test]
fn hops_of_both_halves_on_one_node_have_distinct_ids() {
    let spans = [make(&client_half()), make(&server_half())].concat();
    let hops = spans.iter().filter(|span| {
        attribute(span, "hopspan.role") == "hop" && attribute(span, "hopspan.hop") != "wire"
    });
    let hops: Vec<SpanId> = hops.map(|hop| hop.span_id).collect();
    assert_eq!(hops.iter().collect::<BTreeSet<_>>().len(), hops.len());
}
