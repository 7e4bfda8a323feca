//! A client, a server, and a pod behind a service of its own that the server tries to reach while it
//! serves the client's traced request: that is where things go wrong.

use std::{net::SocketAddr, time::Duration};

use hopspan_e2e::{
    Dialogues, Outcome, Parent, Span, assert_partition, binary, knock, pause, send, until,
};
use hopspan_lab::{
    NodeOptions, Pod, Process,
    fault::Victims,
    kube_proxy::{ProxyMode, Service},
};

/// What pods listen on.
pub(crate) const PORT: u16 = 8080;
/// kube-proxy's names of the two services.
pub(crate) const SERVICE: &str = "dialogue/server";
pub(crate) const FAR: &str = "dialogue/far";
/// Modes in which kube-proxy's rules differ.
pub(crate) const MODES: [ProxyMode; 2] = [ProxyMode::Iptables, ProxyMode::Nftables];
/// OTLP's number of the status that says error.
const ERROR: i32 = 2;
const LISTEN: Duration = Duration::from_secs(30);
/// Longer than the agent waits for what is under way when a socket closes.
const TOLD: Duration = Duration::from_millis(2_500);

/// Who listens behind the far service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Far {
    /// A server.
    Listens,
    /// A pod in which nobody listens.
    Silent,
    /// The service has no endpoint.
    Missing,
}

/// The scene.
pub(crate) struct Ground {
    pub(crate) dialogues: Dialogues,
    far: Service,
    _server: Option<Process>,
}

impl Ground {
    pub(crate) fn start(label: &str, proxy_mode: ProxyMode, far: Far) -> Self {
        let options = NodeOptions {
            proxy_mode,
            ..NodeOptions::default()
        };
        let mut dialogues = Dialogues::start_on(label, options, &[]).unwrap();
        let pod = dialogues.scene.node.pod("dialogue", "far").unwrap();
        let server = (far == Far::Listens).then(|| listen(&pod));
        let mut service = Service::new("dialogue", "far", ([10, 96, 0, 31], 80).into());
        if far != Far::Missing {
            service.endpoints = vec![SocketAddr::new(pod.ip().into(), PORT)];
        }
        dialogues.add_service(&service).unwrap();
        Self {
            dialogues,
            far: service,
            _server: server,
        }
    }

    /// Where the far service is.
    pub(crate) fn far(&self) -> SocketAddr {
        self.far.address()
    }

    /// The connections of the server to the far pod.
    pub(crate) fn server_s(&self) -> Victims {
        Victims::of(&self.dialogues.server, PORT)
    }

    /// The connections of the client to the server.
    pub(crate) fn client_s(&self) -> Victims {
        Victims::of(&self.dialogues.client, PORT)
    }

    /// The client asks the server, which tries in vain for so long to reach the far service, and answers.
    pub(crate) fn knock(&self, patience: Duration) -> Parent {
        self.knock_during(patience, Duration::ZERO, || ())
    }

    /// The same, with what `cause` makes there until the end; that may take so long after the request has
    /// come.
    pub(crate) fn knock_during<T>(
        &self,
        patience: Duration,
        preparation: Duration,
        cause: impl FnOnce() -> T,
    ) -> Parent {
        let parent = Parent::new();
        let server = [
            until("\r\n\r\n"),
            pause(preparation),
            knock(self.far(), patience),
            send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ];
        let client = [send(get(&parent)), until("ok")];
        let mut dialogue = self.dialogues.begin(&server, &client).unwrap();
        dialogue.wait_server(1).unwrap();
        let caused = cause();
        assert!(
            !dialogue.server.log().contains("did step 1\n") || preparation.is_zero(),
            "the cause took longer than {preparation:?}"
        );
        dialogue.finish().unwrap();
        drop(caused);
        parent
    }

    /// What came of it, with the books balanced.
    pub(crate) fn finish(self) -> Outcome {
        std::thread::sleep(TOLD);
        let outcome = self.dialogues.finish().unwrap();
        outcome.report.assert_nothing_lost();
        outcome
    }
}

fn listen(pod: &Pod) -> Process {
    let mut server = pod
        .command(binary("echo").unwrap())
        .args(["server", "--listen", &format!("0.0.0.0:{PORT}")])
        .spawn()
        .unwrap();
    server.wait_listening(PORT, LISTEN).unwrap();
    server
}

/// The head of a request of this parent.
pub(crate) fn get(parent: &Parent) -> String {
    let traceparent = parent.traceparent();
    format!("GET /item HTTP/1.1\r\nHost: server\r\ntraceparent: {traceparent}\r\n\r\n")
}

/// The connect that failed while the parent's request was served: below its exchange, within it, marked
/// as inferred, and with an error.
pub(crate) fn failed_connect<'o>(outcome: &'o Outcome, parent: &Parent) -> &'o Span {
    let trace = parent.trace(&outcome.traces);
    let exchange = parent.exchange(&outcome.traces);
    assert_eq!(exchange.attribute("http.response.status_code"), "200");
    let connects = trace.children_of_role(exchange, "connect");
    let failed: Vec<&&Span> = connects
        .iter()
        .filter(|connect| !connect.attribute("error.type").is_empty())
        .collect();
    let [failed] = failed[..] else {
        panic!("{} failed connects: {connects:#?}", failed.len());
    };
    assert_eq!(failed.status, ERROR, "{failed:#?}");
    assert_eq!(failed.attribute("hopspan.correlation"), "inferred");
    failed.assert_within(exchange);
    failed
}

/// Checks attributes of a span, each `key=value`.
pub(crate) fn check(span: &Span, expected: &[&str]) {
    for line in expected {
        let (key, value) = line.split_once('=').unwrap();
        assert_eq!(span.attribute(key), value, "{key} of {span:#?}");
    }
}

/// The last hop of a connect is where it failed.
pub(crate) fn check_last_hop(outcome: &Outcome, connect: &Span, hop: &str) {
    let trace = &outcome.traces.0[&connect.trace_id];
    let hops = trace.children_of_role(connect, "hop");
    let last = hops.last().unwrap();
    assert_eq!(last.attribute("hopspan.hop"), hop, "{hops:#?}");
    // The socket waits for longer than its packet is under way.
    assert!(last.end_ns <= connect.end_ns, "{connect:#?}");
}

/// The hops of a span that arrived are all of it.
pub(crate) fn check_whole(outcome: &Outcome, span: &Span) {
    assert_partition(&outcome.traces.0[&span.trace_id], span);
}
