//! Packets that are no messages of a node: those that only pass it from uplink to uplink, and bytes
//! of bodies. In: two nodes with agents. Out: what the agents counted.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
};

use hopspan_e2e::{EchoLoad, Fixture, NodeAgent, echo_server};
use hopspan_lab::{NodeOptions, kube_proxy::Service, skip};

const PORT: u16 = 8080;
const NODE_PORT: u16 = 30_080;
const CONNECTIONS: u64 = 3;

fn start(test: &str) -> Fixture {
    Fixture::start_nodes(test, NodeOptions::default(), &[NodeAgent::Right; 2]).unwrap()
}

/// A node port of the first node whose only endpoint is on the second.
#[test]
fn a_node_in_between_counts_forwarded_packets_and_exports_nothing() {
    let test = "a_node_in_between_counts_forwarded_packets_and_exports_nothing";
    if skip(test) {
        return;
    }
    let mut fixture = start(test);
    let [between, last] = [fixture.nodes[0].clone(), fixture.nodes[1].clone()];
    let server = last.pod("echo", "server").unwrap();
    let serving = echo_server(&server, (Ipv4Addr::UNSPECIFIED, PORT)).unwrap();
    let service = Service {
        endpoints: vec![SocketAddr::new(server.ip().into(), PORT)],
        node_port: Some(NODE_PORT),
        ..Service::new("echo", "echo", "10.96.0.77:80".parse().unwrap())
    };
    fixture.lab().apply_services(&[service]).unwrap();
    for agent in fixture.agents.values_mut() {
        // One for the ClusterIP, and more for the node port.
        agent
            .wait_for_metrics("at rules with a decision", |metrics| {
                metrics.value("hopspan_rules_decisions") > Some(1.0)
            })
            .unwrap();
    }
    let outside = fixture.lab().host("outside", &between).unwrap();
    let load = EchoLoad {
        address: (between.ip(), NODE_PORT).into(),
        connections: CONNECTIONS,
        requests: 12,
        first: 1,
    };
    let answers = load.run(&outside, fixture.work_dir()).unwrap();
    drop(serving);
    let outcome = fixture.finish().unwrap();
    for report in outcome.reports.values() {
        report.assert_nothing_lost();
    }
    let report = &outcome.reports[between.name()];
    // The SYN and the SYN-ACK of each connection: after them both directions are known to be
    // forwarded.
    let forwarded = report.number(&["kernel", "journeys", "forwarded"]);
    assert_eq!(forwarded, 2 * CONNECTIONS);
    // No head is copied of what passes. One may be of the agent's own answer to the test's poll, if it
    // is sent while the hooks are being attached.
    let heads_unmatched = report.number(&["pipeline", "http", "heads_unmatched"]);
    assert!(heads_unmatched <= 1, "{heads_unmatched} heads");
    for answer in answers {
        let trace = &outcome.traces.0[&answer.trace_id()];
        let exchanges = trace.exchanges();
        let [exchange] = &exchanges[..] else {
            panic!("{exchanges:#?}");
        };
        assert_eq!(exchange.resource["k8s.node.name"], last.name());
        assert_eq!(exchange.attribute("hopspan.half"), "server");
        // The node in between has masqueraded.
        assert_eq!(answer.seen.ip(), between.ip());
        assert_eq!(
            exchange.attribute("source.address"),
            between.ip().to_string()
        );
    }
}

/// Bodies are not followed, however many packets they fill.
#[test]
fn bytes_that_are_no_message_open_no_journeys() {
    const BYTES: usize = 64 << 20;
    let test = "bytes_that_are_no_message_open_no_journeys";
    if skip(test) {
        return;
    }
    let fixture = start(test);
    let client = fixture.nodes[0].pod("bulk", "client").unwrap();
    let server = fixture.nodes[1].pod("bulk", "server").unwrap();
    let address = SocketAddr::new(server.ip().into(), PORT);
    let listener = server
        .within(|| TcpListener::bind(address))
        .unwrap()
        .unwrap();
    let receiving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received.len()
    });
    let mut stream = client
        .within(|| TcpStream::connect(address))
        .unwrap()
        .unwrap();
    stream.write_all(&vec![b'x'; BYTES]).unwrap();
    drop(stream);
    assert_eq!(receiving.join().unwrap(), BYTES);
    let outcome = fixture.finish().unwrap();
    for (node, report) in &outcome.reports {
        report.assert_nothing_lost();
        let opened = report.number(&["kernel", "journeys", "opened"]);
        // The handshake, and the agents' own exports and the lab's checks for listening ports.
        assert!(opened < 60, "{opened} journeys on {node}");
    }
}
