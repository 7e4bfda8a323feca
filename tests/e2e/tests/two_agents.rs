//! Several agents on one node, as while a DaemonSet is updated: all hooks are attached in the end.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    thread,
    time::{Duration, Instant},
};

use hopspan_e2e::{Fixture, Kernel, binary};
use hopspan_lab::{HttpClient, Node, Process};

const START: Duration = Duration::from_secs(60);
/// The agent tries once a second.
const RETRY: Duration = Duration::from_secs(10);
/// The ports of the agents beside that of the fixture.
const PORTS: [u16; 4] = [9474, 9475, 9476, 9477];

/// Starts an agent that listens on this port, and waits until it is ready.
fn start(node: &Node, port: u16) -> (Process, HttpClient) {
    let mut agent = node
        .command(binary("hopspan").unwrap())
        .args(["run", "--no-kubernetes", "--cgroup"])
        .arg(node.cgroup_root())
        .args(["--listen", &port.to_string()])
        .spawn()
        .unwrap();
    agent.wait_listening(port, START).unwrap();
    let mut http = HttpClient::connect(node, port).unwrap();
    let deadline = Instant::now() + START;
    while http.get("/readyz").unwrap().status != 200 {
        assert!(Instant::now() < deadline, "{}", agent.log());
        thread::sleep(Duration::from_millis(50));
    }
    (agent, http)
}

fn missing(http: &mut HttpClient) -> Vec<String> {
    let ready = http.get("/readyz").unwrap().body;
    let lines = ready.lines().filter(|line| line.starts_with("without "));
    lines.map(ToOwned::to_owned).collect()
}

fn hits(http: &mut HttpClient, hook: &str) -> u64 {
    let metrics = http.get("/metrics").unwrap().body;
    let sample = format!("hopspan_hook_hits_total{{hook=\"{hook}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&*sample));
    line.and_then(|hits| hits.parse().ok()).unwrap_or(0)
}

#[test]
fn a_second_agent_and_the_doctor_attach_beside_the_first() {
    if hopspan_lab::skip("a_second_agent_and_the_doctor_attach_beside_the_first") {
        return;
    }
    let mut fixture = Fixture::start("two-agents").unwrap();
    let node = fixture.node().clone();
    let lacks = Kernel::running().lacks().len();
    let doctor = node
        .command(binary("hopspan").unwrap())
        .args(["doctor", "--json", "--cgroup"])
        .arg(node.cgroup_root())
        .output(START)
        .unwrap();
    let is_seen = doctor
        .stdout
        .contains("beside another hopspan, which runs here");
    assert_eq!(
        is_seen,
        Kernel::running().has_netfilter_links(),
        "{doctor:?}"
    );
    assert_eq!(doctor.status.success(), lacks == 0, "{doctor:?}");

    let (mut second, mut http) = start(&node, PORTS[0]);
    let log = second.log();
    let is_said = log.contains("another hopspan runs here");
    assert_eq!(is_said, Kernel::running().has_netfilter_links(), "{log}");
    assert_eq!(missing(&mut http).len(), lacks, "{log}");
    // The first one goes, as in an update, and the second sees the traffic.
    let hotrod = fixture.hotrod().unwrap();
    assert!(fixture.agent().process.terminate(START).unwrap().success());
    let before = hits(&mut http, "prerouting_enter");
    hotrod.dispatch(2, 2).unwrap();
    hotrod.stop().unwrap();
    thread::sleep(Duration::from_secs(2));
    assert!(hits(&mut http, "cgroup_egress") > 0);
    let has_hits = hits(&mut http, "prerouting_enter") > before;
    assert_eq!(has_hits, Kernel::running().has_netfilter_links());
    assert!(
        second.terminate(START).unwrap().success(),
        "{}",
        second.log()
    );
}

#[test]
fn missing_hooks_are_attached_when_there_is_room() {
    if hopspan_lab::skip("missing_hooks_are_attached_when_there_is_room") {
        return;
    }
    if !Kernel::running().has_netfilter_links() {
        println!("SKIP missing_hooks_are_attached_when_there_is_room: no netfilter links here");
        return;
    }
    let mut fixture = Fixture::start("many-agents").unwrap();
    let node = fixture.node().clone();
    let mut agents = PORTS.map(|port| start(&node, port));
    let (last, http) = agents.last_mut().unwrap();
    let without = missing(http);
    assert_eq!(without.len(), 10, "{without:?}");
    let reason = "other hopspans run here";
    assert!(
        without.iter().all(|line| line.contains(reason)),
        "{without:?}"
    );
    assert!(fixture.agent().process.terminate(START).unwrap().success());
    let deadline = Instant::now() + RETRY;
    while !missing(http).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", missing(http));
        thread::sleep(Duration::from_millis(100));
    }
    let log = last.log();
    assert!(
        log.contains("hooks that were missing are attached"),
        "{log}"
    );
    for (agent, _) in &mut agents {
        assert!(agent.terminate(START).unwrap().success(), "{}", agent.log());
    }
}
