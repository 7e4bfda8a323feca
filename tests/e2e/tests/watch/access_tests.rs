//! Who may watch: clients on this machine at a loopback address, and no page of a browser.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
};

use hopspan_e2e::{AGENT_PORT, EchoFixture, binary};
use hopspan_lab::Node;

use super::{Watcher, ask};

const OWN: &str = "host: localhost\r\nhopspan-watch: 1\r\n";

fn status(node: &Node, address: IpAddr, query: &str, lines: &str) -> String {
    let address = SocketAddr::new(address, AGENT_PORT);
    node.within(|| ask(address, query, lines).1).unwrap()
}

#[test]
fn only_this_machine_may_watch() {
    if hopspan_lab::skip("only_this_machine_may_watch") {
        return;
    }
    let mut fixture = EchoFixture::start("watch-access", 1, 1).unwrap();
    let socket = fixture.work_dir().join("agent.sock");
    let name = socket.to_str().unwrap().to_owned();
    fixture
        .start_agent_with(&["--watch-socket", &name])
        .unwrap();
    let node = fixture.node.clone();
    let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
    let ok = "HTTP/1.1 200 OK";
    let forbidden = "HTTP/1.1 403 Forbidden";
    for (address, lines, expected) in [
        (loopback, OWN, ok),
        ("::1".parse().unwrap(), OWN, ok),
        (node.ip().into(), OWN, forbidden),
        (node.gateway_ip().into(), OWN, forbidden),
        (loopback, "host: localhost\r\n", forbidden),
        (
            loopback,
            "host: a.example\r\nhopspan-watch: 1\r\n",
            forbidden,
        ),
    ] {
        assert_eq!(
            status(&node, address, "", lines),
            expected,
            "{address} {lines:?}"
        );
    }
    let wrong = status(&node, loopback, "sevice=a", OWN);
    assert_eq!(wrong, "HTTP/1.1 400 Bad Request");
    // From a pod, at the node's address.
    let pod = node.pods().into_iter().next().unwrap();
    let address = SocketAddr::new(node.gateway_ip().into(), AGENT_PORT);
    let from_pod = pod.within(|| ask(address, "", OWN).1).unwrap();
    assert_eq!(from_pod, forbidden);

    assert_eq!(
        socket.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    let watcher = Watcher::start(&node, fixture.work_dir(), &format!("--agent {name}"));
    watcher.end();
    // Too many at a time.
    let held: Vec<_> = (0..6)
        .map(|_| {
            let address = SocketAddr::new(loopback, AGENT_PORT);
            node.within(|| ask(address, "", OWN)).unwrap()
        })
        .collect();
    assert!(held.iter().all(|(_, status)| status == ok));
    let too_many = node
        .command(binary("hopspan").unwrap())
        .args(["watch", "--json"])
        .output(std::time::Duration::from_secs(20))
        .unwrap();
    assert_eq!(too_many.status.code(), Some(1));
    assert!(
        too_many.stderr.contains("as many watch as may at a time"),
        "{}",
        too_many.stderr
    );
    fixture.finish(0).unwrap();
}
