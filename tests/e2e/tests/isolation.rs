//! One pod floods another with messages: the exchanges of all other pods are told, and what is lost
//! is counted for the two.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{net::SocketAddr, time::Duration};

use hopspan_e2e::{EchoFixture, flood, peak_bytes, sink};

/// Requests of the quiet client, and how many of them a second.
const REQUESTS: u64 = 1_000;
const RATE: u64 = 100;
/// Longer than the quiet client takes.
const FLOOD: Duration = Duration::from_secs(12);
const LIMIT: Duration = Duration::from_secs(90);
/// Resident memory of the agent. It is 34 MiB under the highest load of the benchmarks.
const MAX_BYTES: u64 = 160 << 20;
const PORT: u16 = 8081;
/// The high half of the trace id of all messages of a flood.
const FLOOD_TRACE: u128 = 0xf100_d000_0000_0000;

/// Floods from one pod to another, while a client in a third sends its requests.
fn check(kind: &str) {
    let mut fixture = EchoFixture::start(&format!("isolation-{kind}"), 1, 1).unwrap();
    let [attacker, target] =
        ["attacker", "target"].map(|name| fixture.node.pod("flood", name).unwrap());
    let to = SocketAddr::new(target.ip().into(), PORT);
    let mut target_process = sink(&target, to).unwrap();
    fixture.start_default_agent(None).unwrap();
    let mut flooding = flood(&attacker, kind, to, FLOOD).unwrap();
    let arguments = format!("load --protocol h1 --requests {REQUESTS} --rate {RATE}");
    let mut load = fixture.client(0, &arguments).unwrap().spawn().unwrap();
    let ended = load.wait(LIMIT).unwrap();
    assert!(
        ended.is_some_and(|status| status.success()),
        "{}",
        load.log()
    );
    let ended = flooding.wait(LIMIT).unwrap();
    assert!(
        ended.is_some_and(|status| status.success()),
        "{}",
        flooding.log()
    );
    let flooded = flooding.log();
    let peak = peak_bytes(fixture.agent.as_ref().unwrap().process.pid()).unwrap();
    target_process.terminate(LIMIT).unwrap();
    let mut outcome = fixture.finish(usize::try_from(REQUESTS).unwrap()).unwrap();
    let exchanges = &mut outcome.collected.exchanges;
    exchanges.retain(|exchange| exchange.trace_id >> 64 != FLOOD_TRACE);

    let judgement = outcome.judge();
    let report = &outcome.report;
    let lost = report.number(&["lost_in_kernel"]);
    let dropped = report.number(&["export", "dropped"]);
    let over_share = report.number(&["kernel", "journeys", "over_share"]);
    println!(
        "{kind}: {} complete, {} incomplete of {REQUESTS}; {}; {lost} records lost, {over_share} over their share; {dropped} spans dropped; agent {} MiB",
        judgement.right.len(),
        judgement.partial.len(),
        flooded.trim(),
        peak >> 20,
    );
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong);
    let right = (1..=REQUESTS)
        .filter(|number| judgement.right.contains(number))
        .count() as u64;
    assert!(
        right * 100 >= REQUESTS * 99,
        "{right} of {REQUESTS} are complete; {} exchanges were shed, {} requests in the kernel; pairs lost {}",
        report.number(&["pipeline", "shed"]),
        report.number(&["kernel", "journeys", "shed"]),
        report.pair_losses(),
    );
    assert!(peak <= MAX_BYTES, "the agent had {peak} bytes");
    if over_share > 0 {
        let mut addresses = [attacker.ip().to_string(), target.ip().to_string()];
        addresses.sort_unstable();
        let [one, other] = &addresses;
        assert_eq!(report.pair_with_most_losses(), Some([one.as_str(), other]));
    }
}

#[test]
fn pipelined_requests_cost_no_other_pod_its_traces() {
    if !hopspan_lab::skip("pipelined_requests_cost_no_other_pod_its_traces") {
        check("pipelined");
    }
}

#[test]
fn a_rapid_reset_costs_no_other_pod_its_traces() {
    if !hopspan_lab::skip("a_rapid_reset_costs_no_other_pod_its_traces") {
        check("rapid-reset");
    }
}

#[test]
fn requests_without_context_cost_no_other_pod_its_traces() {
    if !hopspan_lab::skip("requests_without_context_cost_no_other_pod_its_traces") {
        check("headers");
    }
}

#[test]
fn connections_cost_no_other_pod_its_traces() {
    if !hopspan_lab::skip("connections_cost_no_other_pod_its_traces") {
        check("connections");
    }
}
