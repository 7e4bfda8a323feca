//! Each fault has its effect on connections, in each proxy mode, and is undone.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hopspan_lab::fault::{self, Victims};
use hopspan_lab::kube_proxy::{ProxyMode, Service};
use hopspan_lab::{Lab, Node, NodeOptions, Pod, Process, skip};

const PORT: u16 = 8080;
/// Shorter than the second after which TCP sends a SYN again.
const SHORT: Duration = Duration::from_millis(600);
/// Longer than that second.
const LONG: Duration = Duration::from_secs(3);
const LISTEN: Duration = Duration::from_secs(10);

struct Fixture {
    node: Node,
    client: Pod,
    service: Service,
    _server: Process,
    _lab: Lab,
}

impl Fixture {
    fn start(mode: ProxyMode) -> Self {
        let lab = Lab::new("faults").unwrap();
        let options = NodeOptions {
            proxy_mode: mode,
            ..NodeOptions::default()
        };
        let node = lab.node_with("node", options).unwrap();
        let server = node.pod("default", "server").unwrap();
        let client = node.pod("default", "client").unwrap();
        let listen = ["-m", "http.server", "--bind", "0.0.0.0", "8080"];
        let mut process = server.command("python3").args(listen).spawn().unwrap();
        process.wait_listening(PORT, LISTEN).unwrap();
        let service = Service {
            endpoints: vec![SocketAddr::new(server.ip().into(), PORT)],
            ..Service::new("default", "web", ([10, 96, 0, 40], 80).into())
        };
        node.apply_services(std::slice::from_ref(&service)).unwrap();
        Self {
            node,
            client,
            service,
            _server: process,
            _lab: lab,
        }
    }

    fn victims(&self) -> Victims {
        Victims::of(&self.client, PORT)
    }

    /// Connects the client to the service within this time.
    fn connect(&self, time: Duration) -> Result<TcpStream, ErrorKind> {
        let address = self.service.address();
        let connected = self
            .client
            .within(|| TcpStream::connect_timeout(&address, time));
        connected.unwrap().map_err(|error| error.kind())
    }
}

const MODES: [ProxyMode; 2] = [ProxyMode::Iptables, ProxyMode::Nftables];

#[test]
fn rules_have_their_effect_and_are_removed() {
    if skip("rules_have_their_effect_and_are_removed") {
        return;
    }
    for mode in MODES {
        let fixture = Fixture::start(mode);
        let rule = fault::drop_forwarded(&fixture.node, fixture.victims()).unwrap();
        assert_eq!(
            fixture.connect(SHORT).err(),
            Some(ErrorKind::TimedOut),
            "{mode}"
        );
        drop(rule);
        assert!(fixture.connect(SHORT).is_ok(), "{mode}");

        let rule = fault::lose_first_syn(&fixture.node, fixture.victims()).unwrap();
        let began = Instant::now();
        assert!(fixture.connect(LONG).is_ok(), "{mode}");
        assert!(began.elapsed() > SHORT, "{mode}: no SYN was lost");
        assert!(
            fixture.connect(SHORT).is_ok(),
            "{mode}: the second SYN was lost, too"
        );
        drop(rule);

        let rule = fault::share_source_port(&fixture.node, fixture.victims()).unwrap();
        let first = fixture.connect(SHORT);
        assert!(first.is_ok(), "{mode}");
        assert_eq!(
            fixture.connect(SHORT).err(),
            Some(ErrorKind::TimedOut),
            "{mode}"
        );
        drop(rule);
        assert!(fixture.connect(SHORT).is_ok(), "{mode}");
    }
}

#[test]
fn a_service_without_endpoints_refuses() {
    if skip("a_service_without_endpoints_refuses") {
        return;
    }
    for mode in MODES {
        let mut fixture = Fixture::start(mode);
        fixture.service.endpoints.clear();
        fixture
            .node
            .apply_services(std::slice::from_ref(&fixture.service))
            .unwrap();
        let refused = Some(ErrorKind::ConnectionRefused);
        assert_eq!(fixture.connect(SHORT).err(), refused, "{mode}");
    }
}

#[test]
fn conntrack_refuses_while_its_table_is_full() {
    if skip("conntrack_refuses_while_its_table_is_full") {
        return;
    }
    let fixture = Fixture::start(ProxyMode::default());
    let before = drops(&fixture.node);
    let full = fault::fill_conntrack(&fixture.node, 0).unwrap();
    println!("{} entries", full.entries());
    assert_eq!(fixture.connect(SHORT).err(), Some(ErrorKind::TimedOut));
    assert!(drops(&fixture.node) > before, "conntrack dropped nothing");
    drop(full);
    assert!(fixture.connect(SHORT).is_ok());
}

/// The kernel's count of packets that conntrack has dropped in the node's namespace.
fn drops(node: &Node) -> u64 {
    let text = node
        .within(|| std::fs::read_to_string("/proc/thread-self/net/stat/nf_conntrack"))
        .unwrap()
        .unwrap();
    let mut lines = text.lines();
    let names = lines.next().unwrap();
    let column = names.split_whitespace().position(|name| name == "drop");
    lines
        .map(|line| line.split_whitespace().nth(column.unwrap()).unwrap())
        .map(|cell| u64::from_str_radix(cell, 16).unwrap())
        .sum()
}
