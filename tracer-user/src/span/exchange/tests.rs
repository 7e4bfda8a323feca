//! Exchanges and the spans they make.

use std::net::SocketAddr;

use tracer_common::{hook::Hook, message::Message};

use super::*;
use crate::{
    decode::{ClockSample, Conntrack, Journey, Stamp, Tuple},
    flow::{Cause, Ending, Side},
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

/// An exchange whose request has these header lines.
pub(crate) fn exchange(headers: &str) -> Exchange {
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
        ending: None,
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
    let trace = exchange.asked.trace.sampled();
    trace.map_or_else(Vec::new, |trace| spans(exchange, trace, &context))
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

/// The exchange, with another client, service and endpoint; `hook` is the first it passed.
fn translated(client: &str, service: &str, endpoint: &str, hook: Hook) -> Exchange {
    let mut exchange = exchange(TRACE);
    let journey = &mut exchange.request.journey;
    journey.sent = Tuple {
        source: address(client),
        destination: address(service),
    };
    let received = Tuple {
        destination: address(endpoint),
        ..journey.sent
    };
    journey.received = Some(received);
    journey.conntrack = Some(Conntrack {
        original: journey.sent,
        reply: received.reversed(),
    });
    journey.stamps[1].hook = hook;
    exchange
}

#[test]
fn what_kube_proxy_decided_is_told() {
    let keys = ["portal", "masquerade", "session_affinity", "traffic_policy"];
    let check = |client: &str, service: &str, hook: Hook, expected: [&str; 4]| {
        let exchange = translated(client, service, "10.201.1.11:8080", hook);
        let spans = make(&exchange);
        let seen = keys.map(|key| attribute(&spans[0], &format!("hopspan.kube_proxy.{key}")));
        assert_eq!(seen, expected, "{client} {service}");
    };
    let (pod, node) = (Hook::PreroutingEnter, Hook::OutputEnter);
    check(
        "10.201.1.99:4000",
        "10.97.10.10:80",
        pod,
        ["ClusterIP", "no", "", ""],
    );
    check(
        "192.168.7.1:4000",
        "10.97.10.10:80",
        node,
        ["ClusterIP", "source outside the pod network", "", ""],
    );
    check(
        "10.201.1.11:4000",
        "10.97.10.30:80",
        pod,
        ["ClusterIP", "source is the endpoint", "ClientIP", ""],
    );
    check(
        "203.0.113.5:4000",
        "192.168.7.1:30080",
        pod,
        ["NodePort", "every connection", "", ""],
    );
    check(
        "203.0.113.5:4000",
        "10.250.0.2:80",
        pod,
        ["LoadBalancer", "no", "", "Local"],
    );
    check(
        "192.168.7.1:4000",
        "10.250.0.2:80",
        node,
        ["LoadBalancer", "source is the node", "", ""],
    );
    check("10.201.1.99:4000", "10.97.10.99:80", pod, [""; 4]);
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
            // Of the SYN, not of the SYN-ACK, and of the request.
            "netfilter.prerouting",
            "netfilter.prerouting"
        ]
    );
}

#[test]
fn what_the_node_sends_has_the_source_that_it_was_sent_with() {
    let mut exchange = exchange(TRACE);
    let journey = &mut exchange.request.journey;
    // Its journey opens after OUTPUT and POSTROUTING of the same namespace, which have rewritten both addresses.
    journey.sent = Tuple {
        source: address("10.201.1.1:5000"),
        destination: address("10.201.1.12:8080"),
    };
    journey.received = Some(journey.sent);
    if let Some(conntrack) = &mut journey.conntrack {
        conntrack.original.source = address("172.18.0.2:40000");
        conntrack.reply.destination = address("10.201.1.1:5000");
    }
    let output = |hook| Stamp {
        hook,
        ..journey.stamps[0]
    };
    let (enter, leave) = (output(Hook::OutputEnter), output(Hook::OutputLeave));
    journey.stamps.splice(0..0, [enter, leave]);
    let spans = make(&exchange);
    for (key, expected) in [
        ("source.address", "172.18.0.2"),
        ("source.port", "40000"),
        ("destination.address", "10.201.1.12"),
        ("hopspan.nat.original", "10.97.10.10:80"),
        ("hopspan.nat.masquerade", "10.201.1.1:5000"),
    ] {
        assert_eq!(attribute(&spans[0], key), expected, "{key}");
    }
    let request = spans.iter().find(|span| span.name == "request").unwrap();
    let told: Vec<&str> = spans
        .iter()
        .filter(|span| span.parent_id == request.span_id)
        .filter(|span| !attribute(span, "hopspan.nat.original").is_empty())
        .map(|span| &*span.name)
        .collect();
    assert_eq!(told, ["netfilter.output"], "and not in PREROUTING after it");
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
    // The first packet is gone; the event is the second, which arrived.
    assert_eq!(attribute(&spans[index], "hopspan.drop.reason"), "8");
    assert_eq!(
        attribute(&spans[index], "hopspan.drop.hop"),
        "netfilter.prerouting"
    );
    assert_eq!(spans[index].error, None);
    let [event] = &spans[index].events[..] else {
        panic!("{:?}", spans[index].events);
    };
    assert_eq!(event.at_unix_ns, 1_001_200);
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

#[test]
fn a_connection_that_ends_before_the_answer_is_an_error() {
    let mut exchange = exchange(TRACE);
    exchange.response = None;
    exchange.answered = None;
    for (cause, by, error_type, closed_by) in [
        (
            Cause::Closed,
            Some(Side::Server),
            "connection_closed",
            "server",
        ),
        (
            Cause::Reset,
            Some(Side::Client),
            "connection_reset",
            "client",
        ),
        (Cause::TimedOut, None, "timeout", ""),
        (Cause::Unreachable, None, "host_unreachable", ""),
    ] {
        let at_ns = 9_000;
        exchange.ending = Some(Ending { cause, by, at_ns });
        let spans = make(&exchange);
        assert_eq!(spans[0].error.as_deref(), Some(error_type));
        assert_eq!(spans[0].end_unix_ns, 1_000_000 + at_ns);
        assert_eq!(attribute(&spans[0], "error.type"), error_type);
        assert_eq!(attribute(&spans[0], "hopspan.closed_by"), closed_by);
        assert_eq!(attribute(&spans[0], "hopspan.incomplete"), "");
    }
}

#[test]
fn what_was_not_seen_is_said() {
    let check = |change: fn(&mut Exchange), expected: &str| {
        let mut exchange = exchange(TRACE);
        change(&mut exchange);
        let spans = make(&exchange);
        assert_eq!(attribute(&spans[0], "hopspan.incomplete"), expected);
    };
    check(|_| {}, "");
    check(|exchange| exchange.response = None, "response");
    check(|exchange| exchange.answered = None, "response head");
    check(
        |exchange| exchange.asked.is_incomplete = true,
        "request head",
    );
    check(
        |exchange| {
            exchange.asked.is_incomplete = true;
            exchange.answered = Some(Answered::default());
        },
        "request head, response head",
    );
}

#[test]
fn tracestate_is_handed_on() {
    let states = |headers: &str| -> Vec<Option<String>> {
        let spans = make(&exchange(&format!("{headers}tracestate: a=1\r\n")));
        let states = spans.iter().map(|span| span.trace_state.as_deref());
        states.map(|state| state.map(str::to_owned)).collect()
    };
    let with = states(TRACE);
    assert!(with.len() > 10 && with.iter().all(|state| state.as_deref() == Some("a=1")));
    let b3 = "b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\r\n";
    assert!(states(b3).iter().all(Option::is_none), "it is W3C's");
}
