//! One pod floods another with messages: the exchanges of all other pods are told, and what is lost
//! is counted for the two.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::{ClientLoad, EchoFixture, Flood, peak_bytes, wait_for_success};

/// Requests of the quiet client, and how many of them a second.
const REQUESTS: u64 = 1_000;
const RATE: u64 = 100;
/// Longer than the quiet client takes.
const FLOOD: Duration = Duration::from_secs(12);
const LIMIT: Duration = Duration::from_secs(90);
/// Resident memory of the agent. It is 34 MiB under the highest load of the benchmarks.
const MAX_BYTES: u64 = 160 << 20;

/// Floods from one pod to another, while a client in a third sends its requests.
fn check(kind: &str) {
    let mut fixture = EchoFixture::start(&format!("isolation-{kind}"), 1, 1).unwrap();
    let mut flood = Flood::new(&fixture.node).unwrap();
    fixture.start_default_agent(None).unwrap();
    let mut flooding = flood.start(kind, FLOOD).unwrap();
    let load = ClientLoad {
        client: 0,
        protocol: "h1",
        connections: 1,
        requests: REQUESTS,
        rate: RATE,
        first: 1,
    };
    wait_for_success(&mut fixture.load(load).unwrap(), LIMIT).unwrap();
    wait_for_success(&mut flooding, LIMIT).unwrap();
    let flooded = flooding.log();
    let peak = peak_bytes(fixture.agent.as_ref().unwrap().process.pid()).unwrap();
    flood.end().unwrap();
    let mut outcome = fixture.finish(usize::try_from(REQUESTS).unwrap()).unwrap();
    let exchanges = &mut outcome.collected.exchanges;
    exchanges.retain(|exchange| !Flood::has(exchange));

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
        let [one, other] = &flood.addresses();
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
