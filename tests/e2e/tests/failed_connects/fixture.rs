//! A pod whose processes serve and connect, a client, services without endpoints, and the agent.

use std::{net::SocketAddr, time::Duration};

use hopspan_e2e::{Outcome, Parent, Scene, Span, Step, Trace, Traces, binary};
use hopspan_lab::{Command, Pod, Process, kube_proxy::Service};

const LISTEN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
/// How long a connect is tried that fails earlier, on a slow machine too.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// Longer than the agent waits for what is under way when a socket closes.
const TOLD: Duration = Duration::from_millis(2_500);
/// OTLP's number of the status that says error.
const ERROR: i32 = 2;

/// Pods and agent.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) server: Pod,
    pub(crate) client: Pod,
    /// Services without endpoints: of either family, and one more.
    pub(crate) closed: [SocketAddr; 3],
}

impl Stage {
    pub(crate) fn start(label: &str) -> Self {
        let mut scene = Scene::start(label).unwrap();
        let server = scene.node.pod("failed", "server").unwrap();
        let client = scene.node.pod("failed", "client").unwrap();
        let closed = [
            SocketAddr::from(([10, 96, 0, 40], 80)),
            "[fd00:10:96::40]:80".parse().unwrap(),
            SocketAddr::from(([10, 96, 0, 42], 80)),
        ];
        let names = ["closed", "closed", "closed-too"];
        let services = names.into_iter().zip(closed);
        let services: Vec<Service> = services
            .map(|(name, address)| Service::new("failed", name, address))
            .collect();
        scene.node.apply_services(&services).unwrap();
        scene.wait_logged("close 3 portals").unwrap();
        Self {
            scene,
            server,
            client,
            closed,
        }
    }

    /// Where nobody listens.
    pub(crate) fn nobody(&self, port: u16) -> SocketAddr {
        (self.server.ip(), port).into()
    }

    /// A process of the server's pod that takes one connection on a port, and has done so many steps.
    pub(crate) fn serve(&self, port: u16, steps: &[Step]) -> Process {
        let mut server = self
            .server
            .command(binary("echo").unwrap())
            .args(["play", "--listen", &format!("0.0.0.0:{port}")])
            .args(steps.iter().map(Step::as_argument))
            .spawn()
            .unwrap();
        server.wait_listening(port, LISTEN).unwrap();
        server
    }

    /// A client of that process.
    pub(crate) fn ask(&self, port: u16, steps: &[Step]) -> Process {
        self.client
            .command(binary("echo").unwrap())
            .args(["play", "--connect", &self.nobody(port).to_string()])
            .args(steps.iter().map(Step::as_argument))
            .spawn()
            .unwrap()
    }

    /// Ends the agent, when everything has been told.
    pub(crate) fn finish(self) -> Outcome {
        std::thread::sleep(TOLD);
        let outcome = self.scene.finish().unwrap();
        outcome.report.assert_nothing_lost();
        outcome
    }
}

/// A connect that is given up after so long, and fails.
pub(crate) fn knock(command: Command, address: SocketAddr, patience: Duration) {
    command
        .args(["knock", &address.to_string()])
        .args(["--patience", &patience.as_millis().to_string()])
        .run(2 * LONG)
        .unwrap();
}

/// Waits until a process has done so many of its steps.
pub(crate) fn wait_steps(process: &mut Process, steps: usize) {
    let wanted = format!("did step {}\n", steps - 1);
    while !process.log().contains(&wanted) {
        let ended = process.exit_status().unwrap();
        assert!(ended.is_none(), "{ended:?}: {}", process.log());
        std::thread::sleep(POLL);
    }
}

/// A request in a trace of its own.
pub(crate) fn request(parent: &Parent) -> String {
    format!(
        "GET /item HTTP/1.1\r\nHost: server\r\ntraceparent: {}\r\n\r\n",
        parent.traceparent()
    )
}

pub(crate) const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

/// The one connect to this address that has failed, and its trace.
pub(crate) fn failed(traces: &Traces, address: SocketAddr) -> (&Trace, &Span) {
    let all = traces.0.values().flat_map(|trace| {
        let connects = trace.of_role("connect").map(move |span| (trace, span));
        connects.filter(|(_, span)| {
            !span.attribute("error.type").is_empty()
                && span.attribute("destination.address") == address.ip().to_string()
                && span.attribute("destination.port") == address.port().to_string()
        })
    });
    let all: Vec<_> = all.collect();
    let [(trace, connect)] = all[..] else {
        panic!("{} failed connects to {address}: {all:#?}", all.len());
    };
    assert_eq!(connect.name, "connect");
    assert_eq!(connect.status, ERROR, "{connect:#?}");
    (trace, connect)
}

/// Checks attributes of a span; an empty value is none.
pub(crate) fn assert_attributes(span: &Span, expected: &[(&str, &str)]) {
    for (key, wanted) in expected {
        assert_eq!(span.attribute(key), *wanted, "{key} of {span:#?}");
    }
}
