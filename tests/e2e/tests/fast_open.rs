//! TCP Fast Open: the first request of a connection is in its SYN.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hopspan_e2e::{
    CLOSE_REPORTED, DialogueFixture, DropRule, Dropped, Exchange, Fixture, NodeAgent, Outcome,
    Parent, Span, assert_legs, end, frames,
    http1::{HEAD_END, OK, get_traced},
    play_fast_open_client, play_server, send, until,
};
use hopspan_lab::{NodeOptions, Pod, kube_proxy::Service};

/// net.ipv4.tcp_fastopen: client and server (3), and every listener without an option of its own
/// (0x400).
const BOTH_ENDS: &str = "1027";
const KEY: &str = "/proc/sys/net/ipv4/tcp_fastopen_key";
const PORT: u16 = 8080;
const LIMIT: Duration = Duration::from_secs(30);
const OTHER_KEY: &str = "01234567-89abcdef-01234567-89abcdef";

/// Two pods with TCP Fast Open. The client's has a cookie of the server.
struct FastOpenFixture {
    dialogues: DialogueFixture,
}

impl FastOpenFixture {
    fn start(label: &str) -> Self {
        let dialogues = DialogueFixture::start(label).unwrap();
        enable(&[&dialogues.client, &dialogues.server]);
        let fixture = Self { dialogues };
        fixture.ask("/cookie", &Parent::new());
        assert_eq!(fixture.sent_in_syn(), 0);
        fixture
    }

    /// One request on a connection of its own.
    fn ask(&self, path: &str, parent: &Parent) {
        let server = [until(HEAD_END), send(OK), end()];
        let client = [send(get_traced(path, parent)), until("ok")];
        self.dialogues.play_fast_open(&server, &client).unwrap();
    }

    /// How many connections of the client had the data of their SYN acknowledged.
    fn sent_in_syn(&self) -> u64 {
        counter(&self.dialogues.client, "TCPFastOpenActive")
    }

    fn finish(self) -> Outcome {
        let outcome = self.dialogues.finish_after_close().unwrap();
        outcome.report().assert_nothing_lost();
        outcome
    }
}

fn enable(pods: &[&Pod]) {
    for pod in pods {
        write(pod, "/proc/sys/net/ipv4/tcp_fastopen", BOTH_ENDS);
    }
}

fn write(pod: &Pod, file: &str, value: &str) {
    let written = pod.within(|| fs::write(file, value)).unwrap();
    written.unwrap();
}

/// A counter of TCP in the pod (TcpExt of /proc/net/netstat: a line of names, a line of numbers).
fn counter(pod: &Pod, name: &str) -> u64 {
    let file = || fs::read_to_string("/proc/thread-self/net/netstat");
    let text = pod.within(file).unwrap().unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, numbers) = (lines.next().unwrap(), lines.next().unwrap());
    let mut both = names.split(' ').zip(numbers.split(' '));
    let (_, number) = both.find(|(found, _)| *found == name).unwrap();
    number.parse().unwrap()
}

/// Checks that a request has its answer and opened the connection, or did not. Returns its exchange.
fn assert_answered<'o>(outcome: &'o Outcome, parent: &Parent, opened: bool) -> Exchange<'o> {
    let exchange = parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("http.response.status_code", "200"),
        ("error.type", ""),
        ("hopspan.incomplete", ""),
    ]);
    let trace = parent.trace(&outcome.traces);
    assert_legs(trace, &exchange, opened);
    let request = exchange.path("request");
    let hops = trace.children_of_role(request, "hop");
    for hop in ["client.stack", "server.stack", "socket.queue"] {
        let count = |span: &&&Span| span.attribute("hopspan.hop") == hop;
        assert_eq!(hops.iter().filter(count).count(), 1, "{hop} in {hops:#?}");
    }
    exchange
}

fn retransmits<'o>(outcome: &'o Outcome, parent: &Parent, role: &str) -> &'o str {
    let leg = parent.exchange(&outcome.traces).path(role);
    leg.attribute("hopspan.tcp.retransmits")
}

#[test]
fn a_request_in_the_syn() {
    if hopspan_lab::skip("a_request_in_the_syn") {
        return;
    }
    let fixture = FastOpenFixture::start("fast-open");
    let (first, second) = (Parent::new(), Parent::new());
    let server = [until(HEAD_END), send(OK), until(HEAD_END), send(OK), end()];
    let client = [
        send(get_traced("/first", &first)),
        until("ok"),
        send(get_traced("/second", &second)),
        until("ok"),
    ];
    fixture.dialogues.play_fast_open(&server, &client).unwrap();
    assert_eq!(fixture.sent_in_syn(), 1);
    let outcome = fixture.finish();
    let exchange = assert_answered(&outcome, &first, true);
    let start_of = |role| exchange.path(role).start_ns;
    assert_eq!(start_of("connect"), start_of("request"), "one packet");
    assert_answered(&outcome, &second, false);
    for parent in [&first, &second] {
        assert_eq!(retransmits(&outcome, parent, "request"), "");
    }
}

/// The server takes the SYN and not what it carries: TCP sends the request again.
#[test]
fn a_cookie_that_the_server_refuses() {
    if hopspan_lab::skip("a_cookie_that_the_server_refuses") {
        return;
    }
    let fixture = FastOpenFixture::start("fast-open-refused");
    write(&fixture.dialogues.server, KEY, OTHER_KEY);
    let parent = Parent::new();
    fixture.ask("/refused", &parent);
    assert_eq!(fixture.sent_in_syn(), 0);
    let refused = counter(&fixture.dialogues.client, "TCPFastOpenActiveFail");
    assert_eq!(refused, 1);
    let outcome = fixture.finish();
    assert_answered(&outcome, &parent, true);
    assert_eq!(retransmits(&outcome, &parent, "request"), "1");
    assert_eq!(retransmits(&outcome, &parent, "connect"), "");
}

/// TCP sends a SYN without the request, and the request after the handshake.
#[test]
fn a_lost_syn_with_a_request() {
    if hopspan_lab::skip("a_lost_syn_with_a_request") {
        return;
    }
    let fixture = FastOpenFixture::start("fast-open-lost");
    let rule = DropRule::insert(fixture.dialogues.node(), "/lost", Dropped::First).unwrap();
    let parent = Parent::new();
    fixture.ask("/lost", &parent);
    drop(rule);
    let outcome = fixture.finish();
    assert_answered(&outcome, &parent, true);
    for role in ["connect", "request"] {
        assert_eq!(retransmits(&outcome, &parent, role), "1", "{role}");
        let leg = parent.exchange(&outcome.traces).path(role);
        leg.assert_attributes(&[("hopspan.drop.reason", "NETFILTER_DROP")]);
    }
}

/// The whole beginning of an HTTP/2 connection is in the SYN.
#[test]
fn http2_in_the_syn() {
    if hopspan_lab::skip("http2_in_the_syn") {
        return;
    }
    let fixture = FastOpenFixture::start("fast-open-h2");
    let (first, second) = (Parent::new(), Parent::new());
    let response = |stream| frames::response(stream, "200");
    let begin = [
        frames::preface().as_slice(),
        &frames::get_traced(1, "/first", &first),
    ]
    .concat();
    let server = [
        until("/first"),
        send(frames::settings()),
        send(response(1)),
        until("/second"),
        send(response(3)),
        end(),
    ];
    let client = [
        send(begin),
        until(response(1)),
        send(frames::get_traced(3, "/second", &second)),
        until(response(3)),
    ];
    fixture.dialogues.play_fast_open(&server, &client).unwrap();
    assert_eq!(fixture.sent_in_syn(), 1);
    let outcome = fixture.finish();
    assert_answered(&outcome, &first, true);
    assert_answered(&outcome, &second, false);
}

/// Each node's agent learns from the SYN-ACK whether the server has taken the request.
#[test]
fn between_nodes() {
    if hopspan_lab::skip("between_nodes") {
        return;
    }
    let agents = [NodeAgent::Right; 2];
    let mut fixture =
        Fixture::start_nodes("fast-open-nodes", NodeOptions::default(), &agents).unwrap();
    let pod = |node: usize, name| fixture.nodes[node].pod("fast-open", name).unwrap();
    let (client, server) = (pod(0, "client"), pod(1, "server"));
    enable(&[&client, &server]);
    let service = Service {
        endpoints: vec![SocketAddr::new(server.ip().into(), PORT)],
        ..Service::new("fast-open", "server", ([10, 96, 0, 30], 80).into())
    };
    fixture
        .apply_services(std::slice::from_ref(&service))
        .unwrap();
    let ask = |parent: &Parent| {
        let steps = [until(HEAD_END), send(OK), end()];
        let listen = (Ipv4Addr::UNSPECIFIED, PORT).into();
        let mut serving = play_server(&server, listen, &steps).unwrap();
        let steps = [send(get_traced("/item", parent)), until("ok")];
        let mut asking = play_fast_open_client(&client, service.address(), &steps).unwrap();
        for process in [&mut serving, &mut asking] {
            let status = process.wait(LIMIT).unwrap();
            assert!(status.is_some_and(|status| status.success()), "{process:?}");
        }
    };
    let [cookie, taken, refused] = [(); 3].map(|()| Parent::new());
    ask(&cookie);
    ask(&taken);
    assert_eq!(counter(&client, "TCPFastOpenActive"), 1);
    write(&server, KEY, OTHER_KEY);
    ask(&refused);
    assert_eq!(counter(&client, "TCPFastOpenActiveFail"), 1);
    std::thread::sleep(CLOSE_REPORTED);
    let outcome = fixture.finish().unwrap();
    for report in outcome.reports.values() {
        report.assert_nothing_lost();
    }
    for (parent, sent_again) in [(&cookie, ""), (&taken, ""), (&refused, "1")] {
        assert_halves(&outcome, parent, sent_again);
    }
}

/// Checks that both agents have the exchange, with the connect, and with so many retransmissions of
/// the request.
fn assert_halves(outcome: &Outcome, parent: &Parent, sent_again: &str) {
    let exchanges = parent.exchanges(&outcome.traces);
    let halves = exchanges.iter().map(|half| half.attribute("hopspan.half"));
    let mut halves: Vec<&str> = halves.collect();
    halves.sort_unstable();
    assert_eq!(halves, ["client", "server"], "{exchanges:#?}");
    let id = |half: &Exchange<'_>| half.attribute("hopspan.exchange.id").to_owned();
    assert_eq!(id(&exchanges[0]), id(&exchanges[1]));
    let trace = parent.trace(&outcome.traces);
    for half in exchanges {
        half.assert_attributes(&[
            ("http.response.status_code", "200"),
            ("error.type", ""),
            ("hopspan.incomplete", ""),
        ]);
    }
    for (role, retransmits) in [("connect", ""), ("request", sent_again), ("response", "")] {
        let legs: Vec<&Span> = trace.of_role(role).collect();
        assert_eq!(legs.len(), 2, "{role}: {legs:#?}");
        for leg in legs {
            leg.assert_attributes(&[
                ("hopspan.incomplete", ""),
                ("hopspan.tcp.retransmits", retransmits),
            ]);
        }
    }
}
