//! Conntrack refuses a connection: its table is full, or its addresses are another's.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use hopspan_lab::{Node, fault, kube_proxy::ProxyMode};

use super::fixture::{FAR, Far, Ground, check, check_last_hop, failed_connect};

const PATIENCE: Duration = Duration::from_millis(1_500);
/// Filling the table takes less.
const PREPARATION: Duration = Duration::from_secs(6);
/// The agent publishes its numbers once a second.
const PUBLISHED: Duration = Duration::from_millis(1_500);

#[test]
fn a_full_table() {
    if hopspan_lab::skip("a_full_table") {
        return;
    }
    let ground = Ground::start("conntrack-full", ProxyMode::default(), Far::Listens);
    let node = ground.dialogues.scene.node.clone();
    let refusals = refused(&node, "drop");
    // The client's connection is there before the table is full, and the server's is not.
    let parent = ground.knock_during(PATIENCE, PREPARATION, || {
        fault::fill_conntrack(&node, 0).unwrap()
    });
    std::thread::sleep(PUBLISHED);
    assert!(refused(&node, "drop") > refusals, "conntrack says nothing");
    let outcome = ground.finish();
    let connect = failed_connect(&outcome, &parent);
    check(
        connect,
        &[
            "error.type=timeout",
            "hopspan.drop.reason=NETFILTER_DROP",
            "hopspan.drop.hop=netfilter.prerouting",
            "hopspan.tcp.retransmits=1",
        ],
    );
    check_last_hop(&outcome, connect, "netfilter.prerouting");
    // Without conntrack nothing is translated, and no rule is asked.
    let drops = outcome
        .report
        .failures_of("NETFILTER_DROP", "netfilter.prerouting");
    assert_eq!(drops, 2);
}

#[test]
fn addresses_that_are_another_s() {
    if hopspan_lab::skip("addresses_that_are_another_s") {
        return;
    }
    let ground = Ground::start("insert-failed", ProxyMode::default(), Far::Listens);
    let node = ground.dialogues.scene.node.clone();
    let refusals = refused(&node, "insert_failed");
    let rule = fault::share_source_port(&node, ground.server_s()).unwrap();
    let far = ground.far();
    let script = format!(
        "exec 3<>/dev/tcp/{}/{} && echo open && sleep 60",
        far.ip(),
        far.port()
    );
    let first = ground.dialogues.server.command("bash");
    let first = first.args(["-c", &script]).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !first.log().contains("open") {
        assert!(Instant::now() < deadline, "{}", first.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    let parent = ground.knock(PATIENCE);
    drop((first, rule));
    std::thread::sleep(PUBLISHED);
    assert!(refused(&node, "insert_failed") > refusals);
    let outcome = ground.finish();
    let connect = failed_connect(&outcome, &parent);
    check(
        connect,
        &[
            "error.type=timeout",
            "hopspan.drop.reason=NETFILTER_DROP",
            "hopspan.drop.hop=netfilter.postrouting",
            "hopspan.drop.by=conntrack",
            "hopspan.tcp.retransmits=1",
        ],
    );
    check_last_hop(&outcome, connect, "netfilter.postrouting");
    let failures = |reason, hop| outcome.report.failures(reason, FAR, hop);
    assert_eq!(failures("NETFILTER_DROP", "netfilter.postrouting"), 2);
    assert_eq!(failures("timeout", "netfilter.postrouting"), 1);
}

/// How many connections conntrack has refused on the node, as the agent's metrics tell.
fn refused(node: &Node, reason: &str) -> u64 {
    let page = node.within(scrape).unwrap();
    let name = format!("hopspan_conntrack_refusals_total{{reason=\"{reason}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name} in\n{page}"))
        .parse()
        .unwrap()
}

fn scrape() -> String {
    let mut stream = TcpStream::connect("127.0.0.1:9464").unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}
