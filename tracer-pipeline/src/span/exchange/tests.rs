//! The spans of exchanges.

mod detail;
mod failures;
mod halves;
mod translation;

use std::net::SocketAddr;

use tracer_common::{hook::Hook, journey::End, message::Message};

use super::*;
use crate::{
    decode::{ClockSample, Conntrack, DropReasons, Journey, JourneyBuilder, Stamp, Tuple},
    flow::{Cause, Ending, Side},
    http::{Answered, Connect, Reset, ResponseEnd, head::RequestHead},
    identity::directory::Directory,
    kube_proxy::Rules,
    path::Devices,
    span::{Clock, Value, parties::sides},
};

const TRACE: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
const RULES: &str = include_str!("../../../tests/fixtures/kube-proxy/iptables-save.txt");

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A journey of three stamps, 10 ns apart, from a client through `web-manual`'s ClusterIP.
pub(crate) fn journey(message: Message, start_ns: u64, end: End) -> Journey {
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
    JourneyBuilder::new(message)
        .end(end)
        .start_ns(start_ns)
        .sockets(1, 2)
        .seq(100)
        .ack(1)
        .payload_bytes(80)
        .drop_reason(8)
        .sent(sent)
        .received(received)
        .conntrack(Conntrack {
            original: sent,
            reply: received.reversed(),
        })
        .stamps_after_ns(&[
            (0, Hook::CgroupEgress),
            (10, Hook::PreroutingEnter),
            (20, last),
        ])
        .build()
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
        response_last: None,
        response_end: ResponseEnd::NotFollowed,
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
    make_in(Detail::Hop, exchange, 0)
}

fn make_in(detail: Detail, exchange: &Exchange, shed: u64) -> Vec<Span> {
    let Some(trace) = exchange.asked.trace.sampled() else {
        return Vec::new();
    };
    let sides = sides(exchange);
    with_context(|context| {
        let context = Context { detail, ..*context };
        Traced::new(exchange, &sides, trace, &context).spans(shed)
    })
}

/// Calls `make` with the rules of the fixture; monotonic 0 is Unix time 1 ms.
pub(crate) fn with_context<T>(make: impl FnOnce(&Context<'_>) -> T) -> T {
    let mut clock = Clock::default();
    clock.sample(ClockSample {
        monotonic_ns: 0,
        realtime_ns: 1_000_000,
        uncertainty_ns: 0,
    });
    let (rules, _) = Rules::from_iptables_save(RULES);
    make(&Context {
        clock: &clock,
        devices: &Devices::default(),
        rules: &rules,
        drop_reasons: &DropReasons {
            reasons: [(8, "NETFILTER_DROP".into())].into(),
            ..DropReasons::default()
        },
        directory: &Directory::default(),
        node: "node",
        detail: Detail::Hop,
    })
}

/// Checks `name start..end` of each span that is no hop.
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

pub(crate) fn attribute(span: &Span, key: &str) -> String {
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
fn no_spans_without_a_sampled_trace_context() {
    for headers in [
        "",
        &TRACE.replace("-01", "-00"),
        &TRACE.replace("00-0a", "ff-0a"),
    ] {
        assert_eq!(make(&exchange(headers)), [], "{headers}");
    }
}

#[test]
fn spans_have_the_tracestate_of_their_request() {
    let states = |headers: &str| -> Vec<Option<String>> {
        let spans = make(&exchange(&format!("{headers}tracestate: a=1\r\n")));
        let states = spans.iter().map(|span| span.trace_state.as_deref());
        states.map(|state| state.map(str::to_owned)).collect()
    };
    let with = states(TRACE);
    assert!(with.len() > 10 && with.iter().all(|state| state.as_deref() == Some("a=1")));
    let b3 = "b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\r\n";
    assert!(
        states(b3).iter().all(Option::is_none),
        "tracestate belongs to traceparent"
    );
}
