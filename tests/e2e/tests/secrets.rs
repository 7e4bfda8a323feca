//! Secrets in every place of a message leave the agent nowhere: spans, logs, metrics, report, recording,
//! viewer.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use hopspan_e2e::{
    CLOSE_REPORTED, Dialogue, Fixture, Parent, Step, Traces, frames, http1::traceparent,
    play_client, play_server, replay, send, take, until,
};
use hopspan_lab::{NodeOptions, kube_proxy::Service};
use tracer_pipeline::recording::Reader;

use crate::watch::Watcher;

/// Every secret but the number.
const SECRET: &str = "S3cr3tT0k3n";
/// In paths.
const NUMBER: &str = "4711081522";
/// Of the service that is called. A recording keeps it.
const HOST: &str = "shop.example";
const PORT: u16 = 8080;
const WRITTEN: Duration = Duration::from_millis(1_500);

/// A request target with secrets.
fn path() -> String {
    format!(
        "/users/{NUMBER}/reset/{SECRET};jsessionid={SECRET}/a%3Ftoken={SECRET}?query={SECRET}#{SECRET}"
    )
}

/// What spans show of it.
const TEMPLATE: &str = "/users/{id}/reset/{id}/a";

/// Header lines with secrets, one of them folded.
fn lines() -> String {
    let names = [
        "Authorization",
        "Cookie",
        "X-Custom",
        "Baggage",
        "Referer",
        "User-Agent",
        "uberctx-user",
    ];
    let lines = names.map(|name| format!("{name}: Bearer {SECRET}\r\n"));
    format!(
        "Host: me:{SECRET}@{HOST}\r\n{}X-Folded: a\r\n {SECRET}\r\n",
        lines.concat()
    )
}

fn get(target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{}{more}\r\n", lines())
}

/// A response with the status 200.
fn ok() -> String {
    let body = format!("body {SECRET} end");
    format!(
        "HTTP/1.1 200 {SECRET}\r\nSet-Cookie: {SECRET}\r\nLocation: /{SECRET}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The requests and responses of one HTTP/1.1 connection.
fn http1(parents: &[Parent; 3]) -> (Vec<Step>, Vec<Step>) {
    let chunked = format!(
        "POST {} HTTP/1.1\r\n{}{}Transfer-Encoding: chunked\r\n\r\n10;ext={SECRET}\r\n{SECRET}12345\r\n0\r\nX-Trailer: {SECRET}\r\n\r\n",
        path(),
        lines(),
        traceparent(&parents[1]),
    );
    let absolute = format!("http://me:{SECRET}@{HOST}{}", path());
    let requests = [
        get(&path(), &traceparent(&parents[0])),
        chunked.clone(),
        get(&absolute, &traceparent(&parents[2])),
        get(&path(), ""),
    ];
    let mut client = Vec::new();
    let mut server = Vec::new();
    for request in requests {
        server.extend([take(request.len() as u64), send(ok())]);
        client.extend([send(request), until(" end")]);
    }
    (server, client)
}

/// A request and a gRPC call on one HTTP/2 connection.
fn http2(parents: &[Parent; 2]) -> (Vec<Step>, Vec<Step>) {
    let host = format!("me:{SECRET}@{HOST}");
    let [first, second] = parents.each_ref().map(Parent::traceparent);
    let path = path();
    let request = |method, path, context, content| {
        [
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", host.as_str()),
            ("traceparent", context),
            ("content-type", content),
            ("authorization", SECRET),
            ("cookie", SECRET),
            ("baggage", SECRET),
            ("x-metadata-bin", SECRET),
        ]
    };
    let get = frames::headers(1, &request("GET", &path, &first, "text/plain"), true);
    let method = format!("/shop.Cart/AddItem?{SECRET}");
    let call = request("POST", &method, &second, "application/grpc; x=S3cr3tT0k3n");
    let call = [
        frames::headers(3, &call, false),
        frames::data(3, SECRET.as_bytes(), true),
    ];
    let response = frames::headers(1, &[(":status", "200"), ("set-cookie", SECRET)], true);
    let answer = [
        frames::headers(
            3,
            &[(":status", "200"), ("content-type", "application/grpc")],
            false,
        ),
        frames::data(3, SECRET.as_bytes(), false),
        frames::headers(3, &[("grpc-status", "0"), ("grpc-message", SECRET)], true),
    ];
    let server = vec![
        until(frames::settings()),
        send(frames::settings()),
        until(&get),
        send(&response),
        until(call.concat()),
        send(answer.concat()),
    ];
    let client = vec![
        send(frames::preface()),
        until(frames::settings()),
        send(&get),
        until(&response),
        send(call.concat()),
        until(answer.concat()),
    ];
    (server, client)
}

/// Everything that has left the agent.
struct Output {
    traces: Traces,
    /// Each place with what it shows.
    places: Vec<(&'static str, Vec<u8>)>,
    recording: Vec<Vec<u8>>,
    parents: ([Parent; 3], [Parent; 2]),
}

/// Sends secrets past an agent with these arguments.
fn output(label: &str, arguments: &[&str]) -> Output {
    let mut fixture = Fixture::without_agents(label, NodeOptions::default(), 1).unwrap();
    let node = fixture.node().clone();
    let server = node.pod("secrets", "server").unwrap();
    let client = node.pod("secrets", "client").unwrap();
    let listen = SocketAddr::new(server.ip().into(), PORT);
    let service = Service {
        endpoints: vec![listen],
        ..Service::new("secrets", "shop", ([10, 96, 0, 40], 80).into())
    };
    node.apply_services(std::slice::from_ref(&service)).unwrap();
    let recording = fixture.work_dir().join("recording");
    let record = ["--untraced", "10", "--record", recording.to_str().unwrap()];
    fixture
        .start_tracing_agent(&[&record, arguments].concat())
        .unwrap();
    let watcher = Watcher::start(&node, fixture.work_dir(), "--untraced");
    let parents = (
        [(); 3].map(|()| Parent::new()),
        [(); 2].map(|()| Parent::new()),
    );
    for (of_server, of_client) in [http1(&parents.0), http2(&parents.1)] {
        let server = play_server(&server, listen, &of_server).unwrap();
        let client = play_client(&client, service.address(), &of_client).unwrap();
        Dialogue { client, server }.finish().unwrap();
    }
    std::thread::sleep(CLOSE_REPORTED + WRITTEN);
    let watched = watcher.text();
    assert!(watched.contains("secrets/shop"), "nothing was watched");
    watcher.end();
    let metrics = format!("{:?}", fixture.agent().metrics().unwrap());
    fixture.end().unwrap();
    let log = fixture.agent().process.log();
    assert!(log.contains("TRACE"), "the agent does not log all it can");
    let outcome = fixture.outcome().unwrap();
    let file = |path: &Path| fs::read(path).unwrap();
    let work = fixture.work_dir();
    Output {
        traces: outcome.traces,
        places: vec![
            ("metrics", metrics.into_bytes()),
            ("watch", watched.into_bytes()),
            ("log", log.into_bytes()),
            ("viewer", outcome.page.into_bytes()),
            ("spans", file(&work.join("spans.jsonl"))),
            ("report", file(&work.join("report-node.json"))),
            ("recording", file(&recording)),
        ],
        recording: Reader::open(&recording)
            .unwrap()
            .map(Result::unwrap)
            .collect(),
        parents,
    }
}

impl Output {
    /// The places that show a text.
    fn showing(&self, text: &str) -> Vec<&'static str> {
        let shows = |bytes: &[u8]| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        let places = self.places.iter();
        places
            .filter(|(_, bytes)| shows(bytes))
            .map(|(place, _)| *place)
            .collect()
    }

    /// An attribute of the request of each exchange, in the order of [`http1`] and [`http2`].
    fn attributes(&self, key: &str) -> Vec<&str> {
        let parents = self.parents.0.iter().chain(&self.parents.1);
        parents
            .map(|parent| {
                let trace = parent.trace(&self.traces);
                trace.of_role("request").next().unwrap().attribute(key)
            })
            .collect()
    }

    /// The name of the span that begins the trace of the request without one.
    fn root(&self) -> Vec<&str> {
        let roots = self
            .traces
            .0
            .values()
            .flat_map(|trace| trace.of_role("exchange"));
        let mut names: Vec<&str> = roots.map(|root| root.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[test]
fn secrets_leave_the_agent_nowhere() {
    if hopspan_lab::skip("secrets_leave_the_agent_nowhere") {
        return;
    }
    let output = output("secrets", &["--paths", "template"]);
    for secret in [SECRET, NUMBER] {
        assert_eq!(output.showing(secret), [""; 0], "{secret}");
    }
    assert_eq!(output.showing(HOST), ["recording"]);
    assert_eq!(
        output.attributes("url.template"),
        [TEMPLATE, TEMPLATE, TEMPLATE, TEMPLATE, "/shop.Cart/AddItem"]
    );
    assert_eq!(output.attributes("url.path"), [""; 5]);
    assert_eq!(output.attributes("rpc.method")[4], "AddItem");
    let root = format!("GET {TEMPLATE}");
    assert!(
        output.root().contains(&root.as_str()),
        "{:?}",
        output.root()
    );
    // The recording without secrets gives the same spans.
    assert_eq!(replayed_templates(&output), 5);
}

/// The exchanges of a recording's replay that are those of [`Output::parents`].
fn replayed_templates(output: &Output) -> usize {
    let spans = replay("node", &output.recording);
    let is_request = |parent: &&Parent| {
        let mut requests = spans.iter().filter(|span| span.name == "request");
        requests.any(|span| {
            span.parent_id == parent.span_id && span.attribute("http.response.status_code") == "200"
        })
    };
    let parents = output.parents.0.iter().chain(&output.parents.1);
    parents.filter(is_request).count()
}

#[test]
fn without_paths_there_is_none() {
    if hopspan_lab::skip("without_paths_there_is_none") {
        return;
    }
    let output = output("no-paths", &["--paths", "off"]);
    for secret in [SECRET, NUMBER, "/users", "AddItem"] {
        assert_eq!(output.showing(secret), [""; 0], "{secret}");
    }
    for key in ["url.template", "url.path", "rpc.method"] {
        assert_eq!(output.attributes(key), [""; 5], "{key}");
    }
    assert!(output.root().contains(&"GET shop"), "{:?}", output.root());
}

#[test]
fn a_raw_recording_has_everything() {
    if hopspan_lab::skip("a_raw_recording_has_everything") {
        return;
    }
    let output = output("raw", &["--paths", "template", "--record-raw"]);
    assert_eq!(output.showing(SECRET), ["recording"]);
}
