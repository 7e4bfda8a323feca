//! A watcher that does not read is told what it has missed, and delays nothing.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hopspan_e2e::{AGENT_PORT, ClientLoad, EchoFixture, wait_for_success};
use serde_json::Value;

use super::ask;

const REQUESTS: u64 = 6_000;
const RATE: u64 = 600;
/// Longer than the agent waits for what it has written to other clients to leave.
const STALL: Duration = Duration::from_secs(13);

#[test]
fn a_stalled_watcher_is_told_what_it_missed() {
    if hopspan_lab::skip("a_stalled_watcher_is_told_what_it_missed") {
        return;
    }
    let mut fixture = EchoFixture::start("watch-slow", 1, 1).unwrap();
    fixture.start_agent().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, AGENT_PORT));
    let lines = "host: localhost\r\nhopspan-watch: 1\r\n";
    let asked = fixture
        .node
        .within(|| ask(address, "service=server", lines));
    let (stream, status) = asked.unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    let load = ClientLoad {
        client: 0,
        protocol: "h1",
        connections: 10,
        requests: REQUESTS,
        rate: RATE,
        first: 1,
    };
    let mut load = fixture.load(load).unwrap();
    std::thread::sleep(STALL);
    wait_for_success(&mut load, Duration::from_secs(60)).unwrap();

    let (mut shown, mut missed) = (HashSet::new(), 0);
    let mut repeated = 0;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        // The sizes of chunks stand between the lines.
        let Ok(line @ Value::Object(_)) = serde_json::from_str(&line) else {
            continue;
        };
        match line["kind"].as_str().unwrap() {
            "exchange" => repeated += u64::from(!shown.insert(line["path"].to_string())),
            "missed" => missed += line["exchanges"].as_u64().unwrap(),
            // All that waited was read.
            "alive" => break,
            _ => {}
        }
    }
    let seen = shown.len() as u64;
    assert_eq!(repeated, 0);
    assert!(missed > 0 && seen > 0, "{seen} shown, {missed} missed");
    assert_eq!(seen + missed, REQUESTS, "{seen} shown, {missed} missed");
    let outcome = fixture.finish(REQUESTS as usize).unwrap();
    outcome.report.assert_nothing_lost();
    let judgement = outcome.judge();
    assert_eq!(judgement.wrong, [""; 0]);
    assert_eq!(
        judgement.right.len() as u64,
        REQUESTS,
        "the export was not delayed"
    );
}
