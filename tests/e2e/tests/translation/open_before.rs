//! Connections that were open before the agent: their translation is known, because each packet
//! refers to both of conntrack's tuples.

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hopspan_e2e::{Answer, EchoLoad, Kernel};
use hopspan_lab::{Process, Wiring, kube_proxy::ProxyMode, skip};

use super::case::{Case, Client, cases};
use super::expect;
use super::fixture::{DEADLINE, TranslationFixture};

/// Requests on the one connection of a case, and how many of them a second: the agent starts in the
/// middle.
const REQUESTS: u64 = 112;
const RATE: u64 = 16;
/// The first requests of an old connection, which are not shown: they may be a part of a body, or their
/// client may pipeline.
const HIDDEN: usize = 3;
/// How many of each the agent must see, at least.
const SEEN_MIN: usize = 8;

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
    let mut fixture = TranslationFixture::without_agent(test, wiring, proxy_mode);
    let options = fixture.options();
    let mut cases = cases(&fixture);
    cases.retain(is_chosen);
    if !Kernel::running().has_netfilter_links() {
        cases.retain(|case| case.client != Client::Node);
    }
    let running: Vec<Running<'_>> = (1..)
        .zip(&cases)
        .map(|(number, case)| start(&fixture, case, number))
        .collect();
    wait_until_connected(&running);
    fixture.start_agent();
    let ready = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seen: Vec<(&Case, Vec<Answer>)> = running
        .into_iter()
        .map(|running| (running.case, finish(running, ready)))
        .collect();
    let traces = fixture.finish();
    for (case, answers) in seen {
        assert!(answers.len() >= SEEN_MIN, "{} of {case:?}", answers.len());
        expect::translations_of_open(&traces, case, &answers, options);
    }
}

fn start<'c>(fixture: &TranslationFixture, case: &'c Case, number: u64) -> Running<'c> {
    let record = fixture.work_dir().join(format!("record-{number}"));
    let load = EchoLoad {
        address: case.address,
        connections: 1,
        requests: REQUESTS,
        first: number * 1000,
    };
    let command = fixture.load_command(case.client, load, &record);
    Running {
        case,
        process: command.args(["--rate", &RATE.to_string()]).spawn().unwrap(),
        record,
    }
}

/// Waits until each client has an established connection.
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

/// What the sockets had for the requests that were sent after the agent was ready, without those that
/// are not shown.
fn finish(mut running: Running<'_>, ready: Duration) -> Vec<Answer> {
    let status = running.process.wait(DEADLINE).unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?}: {}",
        running.process.log()
    );
    let mut answers = Answer::read(&running.record).unwrap();
    answers.retain(|answer| u128::from(answer.sent_ns) > ready.as_nanos());
    assert!((answers.len() as u64) < REQUESTS, "the agent was first");
    answers.into_iter().skip(HIDDEN).collect()
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
