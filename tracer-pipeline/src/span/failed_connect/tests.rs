//! The spans of failed connects.

use tracer_common::{journey::End, message::Message};

use super::*;
use crate::{
    decode::{self, Journey, Tuple},
    http::Connect,
    span::{
        Detail,
        exchange::tests::{attribute, journey, with_context},
    },
};

/// A service without endpoints in the fixture.
const EMPTY: &str = "10.97.10.40:80";

fn syn(start_ns: u64, end: End, destination: &str) -> Journey {
    let journey = journey(Message::Syn, start_ns, end);
    let sent = Tuple {
        destination: destination.parse().unwrap(),
        ..journey.sent
    };
    Journey {
        sent,
        received: journey.received.map(|_| sent),
        conntrack: None,
        ..journey
    }
}

/// A connect from 900 to 5,000 ns, with these SYNs.
fn failed(errno: Option<Errno>, syns: &[Journey]) -> FailedConnect {
    let mut packets = syns.iter().cloned();
    let connect = packets.next().map(|first| {
        let mut syn = Leg::new(first);
        packets.for_each(|again| syn.retransmitted(again));
        Connect { syn, syn_ack: None }
    });
    let sent = syn(0, End::Dropped, EMPTY).sent;
    FailedConnect {
        socket: decode::FailedConnect {
            cookie: 7,
            began_ns: 900,
            at_ns: 5_000,
            error: errno.map(|errno| (errno as i32).cast_unsigned()),
            tgid: 42,
            cgroup: 0,
            sent: syns.first().map_or(sent, |syn| syn.sent),
        },
        connect,
    }
}

fn served(number: u8) -> Served {
    Served {
        trace: TraceContext {
            trace_id: TraceId([number; 16]),
            parent_id: SpanId([number; 8]),
            flags: 1,
        },
        tracestate: Some("a=1".into()),
        request_seq: 100,
        tgid: Some(42),
        cgroup: 0,
        from_ns: 800,
        until_ns: None,
    }
}

fn make(failed: &FailedConnect, correlation: &Correlation) -> Vec<Span> {
    let mut detail = DetailChoice::default();
    detail.set_detail(Detail::Hop);
    with_context(|context| {
        NamedConnect::new(failed, correlation, &sides(failed), context).spans(&detail)
    })
}

fn assert_attributes(span: &Span, expected: &[(&str, &str)]) {
    for (key, wanted) in expected {
        assert_eq!(attribute(span, key), *wanted, "{key} of {span:#?}");
    }
}

#[test]
fn refused_for_want_of_endpoints() {
    let syn = syn(1_000, End::Dropped, EMPTY);
    let failed = failed(Some(Errno::ECONNREFUSED), &[syn]);
    let spans = make(&failed, &Correlation::Inferred(served(1)));
    let [connect, hops @ ..] = &spans[..] else {
        panic!("no spans");
    };
    assert_eq!(connect.name, "connect");
    assert_eq!(connect.trace_id, TraceId([1; 16]));
    assert_eq!(connect.trace_state.as_deref(), Some("a=1"));
    assert_eq!(connect.parent_id, served(1).trace.parent_id);
    assert_eq!(connect.start_unix_ns, 1_000_900, "the call");
    assert_eq!(connect.end_unix_ns, 1_005_000, "the error");
    assert_eq!(connect.error.as_deref(), Some("connection_refused"));
    assert!(connect.links.is_empty());
    assert_attributes(
        connect,
        &[
            ("hopspan.role", "connect"),
            ("hopspan.correlation", "inferred"),
            ("error.type", "connection_refused"),
            ("hopspan.closed_by", ""),
            ("hopspan.drop.reason", "NETFILTER_DROP"),
            ("hopspan.drop.hop", "netfilter.prerouting"),
            ("hopspan.kube_proxy.service", "default/web-empty"),
            ("hopspan.kube_proxy.refusal", "no endpoints"),
            ("k8s.service.name", "web-empty"),
            ("destination.address", "10.97.10.40"),
            ("destination.port", "80"),
            ("source.address", "10.201.1.99"),
            ("hopspan.source.process.pid", "42"),
            ("hopspan.incomplete", ""),
        ],
    );
    let names: Vec<&str> = hops.iter().map(|hop| &*hop.name).collect();
    assert_eq!(names, ["client.stack", "netfilter.prerouting"]);
    assert!(hops.iter().all(|hop| hop.parent_id == connect.span_id));
    assert_eq!(hops[0].start_unix_ns, connect.start_unix_ns);
}

#[test]
fn several_candidates_are_linked() {
    let failed = failed(Some(Errno::ETIMEDOUT), &[syn(1_000, End::Dropped, EMPTY)]);
    let several = Correlation::Ambiguous(vec![served(1), served(2)]);
    for (correlation, marked, links) in [(several, "ambiguous", 2), (Correlation::None, "", 0)] {
        let spans = make(&failed, &correlation);
        let connect = &spans[0];
        assert_eq!(connect.parent_id, NO_SPAN);
        assert_attributes(
            connect,
            &[("hopspan.correlation", marked), ("error.type", "timeout")],
        );
        assert_eq!(connect.links.len(), links);
        for (link, number) in connect.links.iter().zip(1..) {
            assert_eq!(link.trace_id, TraceId([number; 16]));
            assert_eq!(link.span_id, served(number).trace.parent_id);
            assert_ne!(link.trace_id, connect.trace_id);
        }
        assert_eq!(make(&failed, &correlation), spans, "derived ids");
    }
    let many = Correlation::Ambiguous(vec![served(1); 500]);
    assert_eq!(make(&failed, &many)[0].links.len(), MAX_LINKS);
}

#[test]
fn two_connects_of_one_request_have_distinct_ids() {
    let one = failed(
        Some(Errno::ECONNREFUSED),
        &[syn(1_000, End::Dropped, EMPTY)],
    );
    let mut other = one.clone();
    other.socket.began_ns += 1;
    let ids = |failed| -> Vec<SpanId> {
        let spans = make(failed, &Correlation::Inferred(served(1)));
        spans.iter().map(|span| span.span_id).collect()
    };
    let (one, other) = (ids(&one), ids(&other));
    assert!(one.iter().all(|id| !other.contains(id)));
}

#[test]
fn a_client_that_gives_up() {
    let attempts = [1_000, 2_000].map(|at_ns| syn(at_ns, End::Dropped, "10.9.9.9:81"));
    let spans = make(&failed(None, &attempts), &Correlation::None);
    assert_attributes(
        &spans[0],
        &[
            ("error.type", "timeout"),
            ("hopspan.closed_by", "client"),
            ("hopspan.tcp.retransmits", "1"),
            ("hopspan.kube_proxy.refusal", ""),
        ],
    );
    let [event] = &spans[0].events[..] else {
        panic!("{:?}", spans[0].events);
    };
    assert_eq!(event.at_unix_ns, 1_002_000);
}

#[test]
fn no_packet_and_no_port() {
    let unseen = failed(Some(Errno::ECONNREFUSED), &[]);
    let spans = make(&unseen, &Correlation::None);
    let [connect] = &spans[..] else {
        panic!("{spans:#?}");
    };
    assert_attributes(
        connect,
        &[
            ("hopspan.incomplete", "path"),
            ("hopspan.kube_proxy.refusal", "no endpoints"),
            ("destination.address", "10.97.10.40"),
        ],
    );
    let mut no_port = failed(None, &[]);
    no_port.socket.sent.source.set_port(0);
    let spans = make(&no_port, &Correlation::None);
    assert_attributes(
        &spans[0],
        &[
            ("error.type", "address_not_available"),
            ("hopspan.closed_by", ""),
        ],
    );
}

/// The server's SYN-ACK was dropped.
#[test]
fn a_dropped_syn_ack_has_its_hop() {
    let mut failed = failed(None, &[syn(1_000, End::Socket, "10.9.9.9:81")]);
    if let Some(connect) = &mut failed.connect {
        connect.syn_ack = Some(Leg::new(journey(Message::SynAck, 1_100, End::Dropped)));
    }
    let spans = make(&failed, &Correlation::None);
    assert_attributes(&spans[0], &[("hopspan.drop.hop", "netfilter.prerouting")]);
    let last = spans.last().unwrap();
    assert_eq!(last.end_unix_ns, 1_001_120);
}
