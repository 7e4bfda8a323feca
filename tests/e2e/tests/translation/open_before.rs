//! Connections that were open before the agent: their translation is known all the same, because each packet carries both of
//! conntrack's tuples.

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hopspan_e2e::{Answer, Kernel, Prelude, Sent};
use hopspan_lab::{NodeOptions, Process, Wiring, kube_proxy::ProxyMode, skip};

use crate::case::{Case, Client, cases};
use crate::expect;
use crate::fixture::{DEADLINE, Ground, Load};
use crate::stage::Stage;

/// Requests on the one connection of a case, so many a second: the agent comes in the middle.
const REQUESTS: u64 = 80;
const RATE: u64 = 16;
/// How many the agent must see of each, at least.
const LEFT: usize = 8;

struct Running<'c> {
    case: &'c Case,
    record: PathBuf,
    process: Process,
}

/// One case of each kind of translation.
fn is_chosen(case: &Case) -> bool {
    [
        "headless",
        "ClusterIP",
        "hairpin",
        "ClusterIP, node",
        "node port, outside",
        "policy Local, load balancer, outside",
    ]
    .contains(&case.name)
}

fn check(test: &str, wiring: Wiring, proxy_mode: ProxyMode) {
    if skip(test) {
        return;
    }
    let options = NodeOptions {
        wiring,
        proxy_mode,
        ..NodeOptions::default()
    };
    let prelude = Prelude::start(test, options).unwrap();
    let ground = Ground::lay(&prelude);
    let mut cases = cases(&ground);
    cases.retain(is_chosen);
    if !Kernel::running().has_netfilter_links() {
        cases.retain(|case| case.client != Client::Node);
    }
    let running: Vec<Running<'_>> = (1..)
        .zip(&cases)
        .map(|(number, case)| start(&prelude, &ground, case, number))
        .collect();
    wait_until_connected(&running);
    let stage = Stage::attach(prelude, ground);
    let attached_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seen: Vec<(&Case, Vec<Answer>)> = running
        .into_iter()
        .map(|running| (running.case, finish(running, attached_ns)))
        .collect();
    let traces = stage.finish();
    for (case, answers) in seen {
        assert!(answers.len() >= LEFT, "{} of {case:?}", answers.len());
        expect::translations_of_open(&traces, case, &answers, options);
    }
}

fn start<'c>(prelude: &Prelude, ground: &Ground, case: &'c Case, number: u64) -> Running<'c> {
    let record = prelude.lab.work_dir().join(format!("record-{number}"));
    let load = Load {
        client: case.client,
        address: case.address,
        connections: 1,
        requests: REQUESTS,
        first: number * 1000,
        record: &record,
    };
    let command = ground.load(&load).args(["--rate", &RATE.to_string()]);
    Running {
        case,
        process: command.spawn().unwrap(),
        record,
    }
}

/// Waits until each client has a connection that is established.
fn wait_until_connected(running: &[Running<'_>]) {
    let is_connected = |running: &Running<'_>| {
        let port = format!(":{:04X}", running.case.address.port());
        ["tcp", "tcp6"].iter().any(|table| {
            let path = format!("/proc/{}/net/{table}", running.process.pid());
            let table = std::fs::read_to_string(path).unwrap_or_default();
            // Remote address and state; 01 is TCP_ESTABLISHED (include/net/tcp_states.h).
            table.lines().any(|line| {
                let fields: Vec<&str> = line.split_ascii_whitespace().collect();
                matches!(fields[..], [_, _, remote, "01", ..] if remote.ends_with(&port))
            })
        })
    };
    let deadline = Instant::now() + DEADLINE;
    while !running.iter().all(is_connected) {
        assert!(Instant::now() < deadline, "a client does not connect");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What the sockets say of the requests that were sent since.
fn finish(mut running: Running<'_>, attached: Duration) -> Vec<Answer> {
    let status = running.process.wait(DEADLINE).unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?}: {}",
        running.process.log()
    );
    let since: Vec<u64> = Sent::read(&running.record)
        .unwrap()
        .iter()
        .filter(|sent| u128::from(sent.sent_ns) > attached.as_nanos())
        .map(|sent| sent.number)
        .collect();
    assert!((since.len() as u64) < REQUESTS, "the agent came first");
    let mut answers = Answer::read(&running.record).unwrap();
    answers.retain(|answer| since.contains(&answer.number));
    answers
}

#[test]
fn open_before_on_a_bridge() {
    check(
        "open_before_on_a_bridge",
        Wiring::Bridge,
        ProxyMode::Iptables,
    );
}

#[test]
fn open_before_routed() {
    check("open_before_routed", Wiring::Routed, ProxyMode::Nftables);
}
