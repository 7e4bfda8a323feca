//! Faults of what is around the agent: it is stopped, starved or short of something, or what it
//! watches vanishes. What it tells is right, what it loses is counted, and it goes on.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod disk;
mod limits;
mod stopped;
mod vanishing;

use std::{collections::HashSet, time::Duration};

use hopspan_e2e::{ClientLoad, EchoFixture, EchoOutcome, wait_for_success};
use hopspan_lab::Process;

/// Of the quiet load.
const REQUESTS: u64 = 1_000;
const RATE: u64 = 100;
const LOAD: Duration = Duration::from_secs(90);

/// Starts the load: 100 requests a second for ten seconds.
fn load(fixture: &EchoFixture) -> Process {
    let load = ClientLoad {
        client: 0,
        protocol: "h1",
        connections: 1,
        requests: REQUESTS,
        rate: RATE,
        first: 1,
    };
    fixture.load(load).unwrap()
}

fn wait(load: &mut Process) {
    wait_for_success(load, LOAD).unwrap();
}

/// Waits for the exchanges and ends the agent.
fn finish(fixture: EchoFixture) -> EchoOutcome {
    fixture.finish(usize::try_from(REQUESTS).unwrap()).unwrap()
}

/// Checks that nothing is wrong, and that whatever is not complete is counted as lost. Returns the
/// numbers of the requests whose exchanges are complete.
fn check(outcome: &EchoOutcome) -> HashSet<u64> {
    let judgement = outcome.judge();
    let report = &outcome.report;
    let counters = [
        &["lost_in_kernel"][..],
        &["kernel", "journeys", "shed"],
        &["pipeline", "shed"],
        &["export", "failed"],
        &["export", "dropped"],
    ];
    let lost = counters.map(|counter| report.number(counter));
    println!(
        "{} complete, {} incomplete of {REQUESTS}; lost in the kernel, shed there, shed by rate, failed, dropped: {lost:?}",
        judgement.right.len(),
        judgement.partial.len(),
    );
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong);
    let is_complete = judgement.right.len() as u64 == REQUESTS;
    assert!(
        is_complete || lost.iter().sum::<u64>() > 0,
        "lost in silence"
    );
    judgement.right
}

/// Checks that all of these requests' exchanges are complete.
fn assert_complete(right: &HashSet<u64>, requests: std::ops::RangeInclusive<u64>) {
    let missing: Vec<u64> = requests.filter(|number| !right.contains(number)).collect();
    assert!(missing.is_empty(), "not complete: {missing:?}");
}
