//! More exchanges than `--max-exchanges-per-second` lets: those that are told are whole, the others are
//! counted, and who asks little is told in full beside who asks much.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::{EchoFixture, EchoOutcome};

/// Exchanges a second that are told.
const LIMIT: u64 = 100;
/// Seconds that both loads take.
const SECONDS: u64 = 10;
/// Requests a second.
const NOISY: u64 = 1_000;
const QUIET: u64 = 10;
/// The number of the first request of the quiet client.
const QUIET_FIRST: u64 = 1_000_001;
const LOAD: Duration = Duration::from_secs(60);

/// What came of a noisy client and a quiet one.
fn outcome(label: &str, protocol: &str) -> EchoOutcome {
    let mut fixture = EchoFixture::start(label, 1, 2).unwrap();
    let limit = LIMIT.to_string();
    fixture
        .start_agent_with(&["--max-exchanges-per-second", &limit])
        .unwrap();
    let load = |client: usize, rate: u64, first: u64, connections: u64| {
        let requests = rate * SECONDS;
        let arguments = format!(
            "load --protocol {protocol} --connections {connections} --requests {requests} \
             --rate {rate} --first {first}"
        );
        fixture.client(client, &arguments).unwrap().spawn().unwrap()
    };
    let mut loads = [load(0, NOISY, 1, 4), load(1, QUIET, QUIET_FIRST, 1)];
    for load in &mut loads {
        let ended = load.wait(LOAD).unwrap();
        assert!(
            ended.is_some_and(|status| status.success()),
            "{} ended with {ended:?}: {}",
            load.name(),
            load.log()
        );
    }
    let expected = usize::try_from(SECONDS * LIMIT).unwrap();
    fixture.finish(expected).unwrap()
}

/// Checks what both protocols have in common; how many were shed by the kernel programs.
fn check(outcome: &EchoOutcome) -> u64 {
    let judgement = outcome.judge();
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong);
    assert!(judgement.partial.is_empty(), "{:#?}", judgement.partial);
    let told = judgement.right.len() as u64;
    let quiet = (QUIET_FIRST..).take_while(|number| judgement.right.contains(number));
    let quiet = quiet.count() as u64;
    let report = &outcome.report;
    let kernel = report.number(&["kernel", "journeys", "shed"]);
    let rate = report.number(&["pipeline", "shed", "rate"]);
    let queue = report.number(&["pipeline", "shed", "queue"]);
    println!("{told} told, {quiet} of them of the quiet client; {kernel}, {rate}, {queue} shed");
    assert_eq!(quiet, QUIET * SECONDS, "the quiet client is told in full");
    assert_eq!(told + kernel + rate + queue, (NOISY + QUIET) * SECONDS);
    assert_eq!(queue, 0);
    // The last second may be full though only a part of it is over.
    assert!(told <= LIMIT * (SECONDS + 2), "{told} are told");
    assert!(told >= LIMIT * SECONDS / 2, "only {told} are told");
    kernel
}

#[test]
fn of_http1_most_are_shed_where_they_begin() {
    if hopspan_lab::skip("of_http1_most_are_shed_where_they_begin") {
        return;
    }
    let kernel = check(&outcome("shedding-h1", "h1"));
    assert!(kernel >= (NOISY - LIMIT) * SECONDS / 2, "{kernel}");
}

#[test]
fn of_http2_all_are_shed_by_the_agent() {
    if hopspan_lab::skip("of_http2_all_are_shed_by_the_agent") {
        return;
    }
    assert_eq!(check(&outcome("shedding-h2", "h2")), 0);
}
