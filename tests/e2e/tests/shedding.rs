//! More exchanges than `--max-exchanges-per-second` allows: those with spans are complete, the
//! others are counted, and all exchanges of a client with few requests have spans beside a client
//! with many.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::{ClientLoad, EchoFixture, EchoOutcome, wait_for_success};

/// `--max-exchanges-per-second`.
const LIMIT: u64 = 100;
/// The duration of both loads.
const SECONDS: u64 = 10;
/// Requests a second.
const NOISY: u64 = 1_000;
const QUIET: u64 = 10;
/// The number of the first request of the quiet client.
const QUIET_FIRST: u64 = 1_000_001;
const LOAD: Duration = Duration::from_secs(60);

/// Runs a noisy client and a quiet one.
fn outcome(label: &str, protocol: &'static str) -> EchoOutcome {
    let mut fixture = EchoFixture::start(label, 1, 2).unwrap();
    let limit = LIMIT.to_string();
    fixture
        .start_agent_with(&["--max-exchanges-per-second", &limit])
        .unwrap();
    let load = |client, rate, first, connections| {
        let load = ClientLoad {
            client,
            protocol,
            connections,
            requests: rate * SECONDS,
            rate,
            first,
        };
        fixture.load(load).unwrap()
    };
    let mut loads = [load(0, NOISY, 1, 4), load(1, QUIET, QUIET_FIRST, 1)];
    for load in &mut loads {
        wait_for_success(load, LOAD).unwrap();
    }
    let expected = usize::try_from(SECONDS * LIMIT).unwrap();
    fixture.finish(expected).unwrap()
}

/// Checks what both protocols have in common. Returns how many exchanges the kernel programs shed.
fn check(outcome: &EchoOutcome) -> u64 {
    let judgement = outcome.judge();
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong);
    assert!(judgement.partial.is_empty(), "{:#?}", judgement.partial);
    let exported = judgement.right.len() as u64;
    let quiet = (QUIET_FIRST..).take_while(|number| judgement.right.contains(number));
    let quiet = quiet.count() as u64;
    let report = &outcome.report;
    let kernel = report.number(&["kernel", "journeys", "shed"]);
    let rate = report.number(&["pipeline", "shed"]);
    println!("{exported} exported, {quiet} of them of the quiet client; {kernel}, {rate} shed");
    assert_eq!(quiet, QUIET * SECONDS, "exchanges of the quiet client");
    assert_eq!(exported + kernel + rate, (NOISY + QUIET) * SECONDS);
    // The limit of a whole second may be used in a part of the last one.
    assert!(exported <= LIMIT * (SECONDS + 2), "{exported} exported");
    assert!(exported >= LIMIT * SECONDS / 2, "only {exported} exported");
    kernel
}

#[test]
fn most_of_http1_is_shed_by_the_programs() {
    if hopspan_lab::skip("most_of_http1_is_shed_by_the_programs") {
        return;
    }
    let kernel = check(&outcome("shedding-h1", "h1"));
    assert!(kernel >= (NOISY - LIMIT) * SECONDS / 2, "{kernel}");
}

#[test]
fn all_of_http2_is_shed_by_the_agent() {
    if hopspan_lab::skip("all_of_http2_is_shed_by_the_agent") {
        return;
    }
    assert_eq!(check(&outcome("shedding-h2", "h2")), 0);
}
