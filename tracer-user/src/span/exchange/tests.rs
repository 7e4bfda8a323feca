//! Exchanges and the spans they make.

use std::net::SocketAddr;

use tracer_common::{hook::Hook, message::Message};

use super::*;
use crate::{
    decode::{ClockSample, Stamp, Tuple},
    http::{Answered, head::RequestHead},
    span::Value,
};

const TRACE: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
const RULES: &str = include_str!("../../../tests/fixtures/kube-proxy/iptables-save.txt");

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A journey of three stamps, 10 ns apart, from a client through `web-manual`'s ClusterIP.
fn journey(message: Message, start_ns: u64, end: End) -> Journey {
    let stamp = |after_ns, hook| Stamp {
        at_ns: start_ns + after_ns,
        hook,
        device: None,
    };
    let last = match end {
        End::Dropped => Hook::PacketDrop,
        _ => Hook::CgroupIngress,
    };
    let sent = Tuple {
        source: address("10.201.1.99:40000"),
        destination: address("10.97.10.10:80"),
    };
    let received = Tuple {
        destination: address("10.201.1.12:8080"),
        ..sent
    };
    Journey {
        message,
        end,
        start_ns,
        sender_cookie: 1,
        receiver_cookie: 2,
        sender_cgroup: 0,
        receiver_cgroup: 0,
        seq: 100,
        ack: 1,
        payload_bytes: 80,
        drop_reason: (end == End::Dropped).then_some(8),
        sent,
        received: (end == End::Socket).then_some(received),
        conntrack: Some(Conntrack {
            original: sent,
            reply: received.reversed(),
        }),
        stamps: vec![
            stamp(0, Hook::CgroupEgress),
            stamp(10, Hook::PreroutingEnter),
            stamp(20, last),
        ],
        stamps_cut: false,
        head_lost: false,
    }
}

fn leg(message: Message, start_ns: u64) -> Leg {
    Leg {
        read_ns: Some(start_ns + 30),
        ..Leg::new(journey(message, start_ns, End::Socket))
    }
}

fn exchange(headers: &str) -> Exchange {
    let request = format!("GET /a HTTP/1.1\r\nHost: web\r\n{headers}\r\n");
    Exchange {
        asked: RequestHead::parse(request.as_bytes()).unwrap().into(),
        answered: Some(Answered {
            status: Some(200),
            grpc_status: None,
        }),
        request_seq: 100,
        trailers: None,
        reset: None,
        connect: Some(Connect {
            syn: leg(Message::Syn, 1_000),
            syn_ack: Some(leg(Message::SynAck, 1_100)),
        }),
        request: leg(Message::Request, 1_200),
        response: Some(leg(Message::Response, 1_300)),
    }
}

fn make(exchange: &Exchange) -> Vec<Span> {
    let mut clock = Clock::default();
    clock.sample(ClockSample {
        monotonic_ns: 0,
        realtime_ns: 1_000_000,
        uncertainty_ns: 0,
    });
    let (rules, _) = Rules::from_iptables_save(RULES);
    let context = Context {
        clock: &clock,
        devices: &Devices::default(),
        rules: &rules,
        who: &Who::default(),
        node: "node",
    };
    spans(exchange, &context)
}

/// Checks `name start..end` of each span that is no hop, indented by depth.
fn check(exchange: &Exchange, expected: &[&str]) {
    let spans = make(exchange);
    let lines: Vec<String> = spans
        .iter()
        .filter(|span| attribute(span, "hopspan.role") != "hop")
        .map(|span| {
            let (start, end) = (span.start_unix_ns - 1_000_000, span.end_unix_ns - 1_000_000);
            format!("{} {start}..{end}", span.name)
        })
        .collect();
    assert_eq!(lines, expected);
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key);
    match found.map(|attribute| &attribute.value) {
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Shared(text)) => text.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        None => String::new(),
    }
}

#[test]
fn one_exchange() {
    let exchange = exchange(TRACE);
    check(
        &exchange,
        &[
            "GET web-manual 1000..1330",
            "connect 1000..1130",
            "request 1200..1230",
            "response 1300..1330",
        ],
    );
    let spans = make(&exchange);
    assert_eq!(spans[0].parent_id.to_string(), "b7ad6b7169203331");
    assert_eq!(
        attribute(&spans[0], "hopspan.nat.original"),
        "10.97.10.10:80"
    );
    assert_eq!(
        attribute(&spans[0], "hopspan.nat.translated"),
        "10.201.1.12:8080"
    );
    assert_eq!(
        attribute(&spans[0], "hopspan.kube_proxy.service"),
        "default/web-manual:http"
    );
    assert_eq!(attribute(&spans[0], "http.response.status_code"), "200");
    for span in &spans[1..] {
        assert!(
            spans.iter().any(|parent| parent.span_id == span.parent_id),
            "{span:?}"
        );
    }
}

#[test]
fn the_translation_is_told_where_it_happened() {
    let told: Vec<String> = make(&exchange(TRACE))
        .iter()
        .filter(|span| !attribute(span, "hopspan.nat.original").is_empty())
        .map(|span| span.name.to_string())
        .collect();
    assert_eq!(
        told,
        [
            "GET web-manual",
            "connect",
            "netfilter.prerouting",
            "netfilter.prerouting",
            "netfilter.prerouting"
        ]
    );
}

#[test]
fn without_conntrack_the_two_ends_tell_the_translation() {
    let mut exchange = exchange(TRACE);
    let with = make(&exchange);
    exchange.request.journey.conntrack = None;
    assert_eq!(make(&exchange), with);
    // A dropped request was received nowhere, and nothing is known of its destination.
    exchange.request.journey.received = None;
    assert_eq!(attribute(&make(&exchange)[0], "hopspan.nat.original"), "");
}

#[test]
fn nothing_without_a_sampled_context() {
    for headers in [
        "",
        &TRACE.replace("-01", "-00"),
        &TRACE.replace("00-0a", "ff-0a"),
    ] {
        assert_eq!(make(&exchange(headers)), [], "{headers}");
    }
}

#[test]
fn a_reused_connection_and_a_missing_response() {
    let exchange = Exchange {
        connect: None,
        response: None,
        answered: None,
        ..exchange(TRACE)
    };
    check(
        &exchange,
        &["GET web-manual 1200..1230", "request 1200..1230"],
    );
    assert_eq!(
        attribute(&make(&exchange)[0], "hopspan.incomplete"),
        "response"
    );
}

#[test]
fn a_dropped_request() {
    let exchange = Exchange {
        connect: None,
        request: Leg::new(journey(Message::Request, 1_200, End::Dropped)),
        response: None,
        answered: None,
        ..exchange(TRACE)
    };
    let spans = make(&exchange);
    let request = &spans[1];
    assert_eq!(request.error.as_deref(), Some("packet dropped"));
    assert_eq!(attribute(request, "hopspan.drop.reason"), "8");
    assert_eq!(
        attribute(request, "hopspan.drop.hop"),
        "netfilter.prerouting"
    );
}

#[test]
fn a_retransmission_is_time_in_the_sender_s_stack() {
    let mut exchange = exchange(TRACE);
    exchange.request.earlier = vec![journey(Message::Request, 1_150, End::Dropped)];
    check(
        &exchange,
        &[
            "GET web-manual 1000..1330",
            "connect 1000..1130",
            "request 1150..1230",
            "response 1300..1330",
        ],
    );
    let spans = make(&exchange);
    let index = spans
        .iter()
        .position(|span| span.name == "request")
        .unwrap();
    assert_eq!(attribute(&spans[index], "hopspan.tcp.retransmits"), "1");
    assert_eq!(spans[index].events.len(), 1);
    assert_eq!(spans[index + 1].name, "client.stack");
    assert_eq!(spans[index + 1].start_unix_ns, 1_001_150);
    assert_eq!(spans[index + 1].end_unix_ns, 1_001_210);
}

#[test]
fn a_masqueraded_source() {
    let mut exchange = exchange(TRACE);
    if let Some(conntrack) = &mut exchange.request.journey.conntrack {
        conntrack.reply.destination = address("10.201.1.1:5000");
    }
    let spans = make(&exchange);
    assert_eq!(
        attribute(&spans[0], "hopspan.nat.masquerade"),
        "10.201.1.1:5000"
    );
}

#[test]
fn what_was_not_seen_is_told() {
    let mut exchange = exchange(TRACE);
    exchange.request.read_ns = None;
    exchange.response = exchange.response.map(|response| Leg {
        journey: Journey {
            stamps_cut: true,
            ..response.journey
        },
        ..response
    });
    let told: Vec<String> = make(&exchange)
        .iter()
        .map(|span| attribute(span, "hopspan.incomplete"))
        .filter(|what| !what.is_empty())
        .collect();
    assert_eq!(told, ["socket.queue", "last hops"]);
}
