//! The spans of exchanges.

mod detail;
mod failures;
pub(crate) mod halves;
mod server_trace;
mod service_names;
mod translation;

use std::{collections::BTreeSet, net::SocketAddr};

use tracer_common::{hook::Hook, journey::End, message::Message};

use super::*;
use crate::{
    decode::{ClockSample, Conntrack, DropReasons, Journey, JourneyBuilder, Stamp, Tuple},
    flow::{Cause, Ending, Side},
    http::{Answered, Connect, Reset, ResponseEnd, head::RequestHead},
    identity::directory::Directory,
    kube_proxy::Rules,
    path::Devices,
    span::{
        Clock, Context, Detail, DetailChoice, ExchangeTrace, NamedExchange, ServiceName, Span,
        Untraced, Value, parties::sides,
    },
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
            server_span: None,
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
    let Some(trace) = ExchangeTrace::of(exchange) else {
        return Vec::new();
    };
    make_of_node("node", detail, exchange, trace, shed)
}

fn make_of_node(
    node: &str,
    detail: Detail,
    exchange: &Exchange,
    trace: ExchangeTrace,
    shed: u64,
) -> Vec<Span> {
    let sides = sides(exchange);
    let mut choice = DetailChoice::default();
    choice.set_detail(detail);
    with_context(|context| {
        let context = Context { node, ..*context };
        NamedExchange::new(exchange, &sides, &context).spans(trace, shed, &mut choice)
    })
}

/// The last span of the exchange that is no hop: it tells how the exchange ended.
fn last(spans: &[Span]) -> &Span {
    let mut paths = spans.iter().rev();
    paths
        .find(|span| attribute(span, "hopspan.role") != "hop")
        .unwrap()
}

/// The span of this name.
fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found
        .next()
        .unwrap_or_else(|| panic!("no {name}: {spans:#?}"));
    assert!(found.next().is_none(), "more than one {name}");
    span
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
        service_name: ServiceName::default(),
        url_paths: UrlPaths::default(),
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
            "connect 1000..1130",
            "request 1200..1230",
            "response 1300..1330",
        ],
    );
    let spans = make(&exchange);
    let ids: BTreeSet<SpanId> = spans.iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "no id twice");
    for name in ["connect", "request", "response"] {
        let span = named(&spans, name);
        assert_eq!(span.parent_id.to_string(), "b7ad6b7169203331", "{name}");
        let of_request = |key| attribute(named(&spans, "request"), key);
        for key in [
            "hopspan.exchange.id",
            "hopspan.nat.original",
            "hopspan.nat.translated",
            "hopspan.kube_proxy.service",
            "source.address",
            "destination.port",
        ] {
            assert_eq!(attribute(span, key), of_request(key), "{key} of {name}");
        }
    }
    for name in ["request", "response"] {
        for (key, expected) in [
            ("hopspan.nat.original", "10.97.10.10:80"),
            ("hopspan.nat.translated", "10.201.1.12:8080"),
            ("hopspan.kube_proxy.service", "default/web-manual:http"),
            ("http.request.method", "GET"),
            ("url.template", "/a"),
            ("http.response.status_code", "200"),
            ("hopspan.exchange.duration_ns", "330"),
            ("error.type", ""),
        ] {
            assert_eq!(
                attribute(named(&spans, name), key),
                expected,
                "{key} of {name}"
            );
        }
        assert_eq!(
            attribute(named(&spans, name), "hopspan.exchange.id").len(),
            16
        );
    }
    let hops = spans
        .iter()
        .filter(|span| attribute(span, "hopspan.role") == "hop");
    for hop in hops {
        let parents = spans.iter().filter(|path| path.span_id == hop.parent_id);
        assert_eq!(parents.count(), 1, "{hop:?}");
    }
}

/// Back ends refuse spans without a length, and show microseconds.
#[test]
fn a_short_span_tells_its_length() {
    let mut exchange = exchange(TRACE);
    for stamp in &mut exchange.request.journey.stamps {
        stamp.at_ns = 1_200;
    }
    exchange.request.read_ns = Some(3_200);
    let spans = make(&exchange);
    let lengths: Vec<(&str, u64, String)> = spans
        .iter()
        .filter(|span| span.parent_id == named(&spans, "request").span_id)
        .map(|span| {
            let length_ns = span.end_unix_ns - span.start_unix_ns;
            (
                &*span.name,
                length_ns,
                attribute(span, "hopspan.duration_ns"),
            )
        })
        .collect();
    let expected = [
        ("client.stack", 1_000, "0".to_owned()),
        ("netfilter.prerouting", 1_000, "0".to_owned()),
        ("socket.queue", 2_000, String::new()),
    ];
    assert_eq!(lengths, expected);
}

/// In a trace that hopspan began there is no span of an application above.
#[test]
fn a_trace_without_an_application_has_a_root() {
    let exchange = exchange("");
    let trace = Untraced::at_most(1).begin(&exchange).unwrap();
    let spans = make_of_node("node", Detail::Path, &exchange, trace, 0);
    let root = &spans[0];
    assert_eq!(root.name, "GET /a");
    assert_eq!(root.parent_id, SpanId([0; 8]));
    assert_eq!(attribute(root, "hopspan.role"), "exchange");
    assert_eq!(attribute(root, "http.response.status_code"), "200");
    assert_eq!(
        (root.start_unix_ns, root.end_unix_ns),
        (1_001_000, 1_001_330)
    );
    assert_eq!(spans.len(), 4);
    assert!(spans[1..].iter().all(|span| span.parent_id == root.span_id));
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
