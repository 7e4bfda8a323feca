//! What is none of a node's messages: packets that only pass it from uplink to uplink, and bytes that are no message. In: two
//! nodes with agents. Out: what the agents counted.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use hopspan_e2e::{Answer, NodeAgent, NodesScene, Span, binary};
use hopspan_lab::{NodeOptions, kube_proxy::Service, skip};

const PORT: u16 = 8080;
const NODE_PORT: u16 = 30_080;
const CONNECTIONS: u64 = 3;
const REQUESTS: u64 = 12;
const DEADLINE: Duration = Duration::from_secs(30);

fn start(test: &str) -> NodesScene {
    NodesScene::start(test, NodeOptions::default(), &[NodeAgent::Right; 2]).unwrap()
}

/// A node port of the first node whose only endpoint is on the second.
#[test]
fn a_node_in_between_counts_and_tells_nothing() {
    let test = "a_node_in_between_counts_and_tells_nothing";
    if skip(test) {
        return;
    }
    let mut scene = start(test);
    let [between, last] = [scene.nodes[0].clone(), scene.nodes[1].clone()];
    let server = last.pod("echo", "server").unwrap();
    let mut serving = server
        .command(binary("echo").unwrap())
        .args(["server", "--listen", &format!("0.0.0.0:{PORT}")])
        .spawn()
        .unwrap();
    serving.wait_listening(PORT, DEADLINE).unwrap();
    let mut service = Service::new("echo", "echo", "10.96.0.77:80".parse().unwrap());
    service
        .endpoints
        .push(SocketAddr::new(server.ip().into(), PORT));
    service.node_port = Some(NODE_PORT);
    scene.lab().apply_services(&[service]).unwrap();
    scene.wait_logged("kube-proxy's rules name").unwrap();
    let outside = scene.lab().host("outside", &between).unwrap();
    let record = scene.lab().work_dir().join("record");
    outside
        .command(binary("echo").unwrap())
        .args(["load", "--protocol", "h1", "--first", "1"])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--requests", &REQUESTS.to_string()])
        .args(["--url", &format!("http://{}:{NODE_PORT}", between.ip())])
        .arg("--record")
        .arg(&record)
        .run(DEADLINE)
        .unwrap();
    let answers = Answer::read(&record).unwrap();
    serving.terminate(DEADLINE).unwrap();
    let outcome = scene.finish().unwrap();
    for report in outcome.reports.values() {
        report.assert_nothing_lost();
    }
    let report = &outcome.reports[between.name()];
    // Of each connection the SYN and the SYN-ACK: then both ways are known to go on.
    let forwarded = report.number(&["kernel", "journeys", "forwarded"]);
    assert_eq!(forwarded, 2 * CONNECTIONS);
    assert_eq!(report.number(&["pipeline", "http", "heads_unmatched"]), 0);
    for answer in answers {
        let trace = &outcome.sent.0[&answer.trace_id()];
        let exchanges: Vec<&Span> = trace.of_role("exchange").collect();
        let [exchange] = exchanges[..] else {
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
    let scene = start(test);
    let client = scene.nodes[0].pod("bulk", "client").unwrap();
    let server = scene.nodes[1].pod("bulk", "server").unwrap();
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
    let outcome = scene.finish().unwrap();
    for (node, report) in &outcome.reports {
        report.assert_nothing_lost();
        let opened = report.number(&["kernel", "journeys", "opened"]);
        // The handshake, and the agents' own exports and the lab's checks for listening ports.
        assert!(opened < 60, "{opened} journeys on {node}");
    }
}
