//! Faults of the collector: what the queue holds arrives, and every span is counted once.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    thread,
    time::{Duration, Instant},
};

use hopspan_e2e::{ClientLoad, CollectorState, EchoFixture, Report, wait_for_success};
use hopspan_lab::Signal;

/// Requests a second.
const RATE: usize = 10;
const BEFORE: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(60);
/// The load goes on for a while after the outage.
const REQUESTS: usize = 75 * RATE;
const LOAD: Duration = Duration::from_secs(120);
/// The agent flushes for at most 25 s after one signal.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Requests a second of two clients, with two spans each. The slow collector takes half of the spans.
const NOISY: u64 = 1_500;
const QUIET: u64 = 150;
const SLOW_SECONDS: u64 = 20;
/// A batch a second is 1,500 spans, the queue is full after a few seconds.
const QUEUE: u32 = 6_000;
/// The number of the first request of the quiet client.
const QUIET_FIRST: u64 = 1_000_001;

/// Checks that made = sent + failed + dropped. Returns them in this order.
fn balance(report: &Report) -> [u64; 4] {
    let spans = ["made", "sent", "failed", "dropped"];
    let counts = spans.map(|result| report.number(&["export", result]));
    let [made, sent, failed, dropped] = counts;
    assert_eq!(made, sent + failed + dropped, "{counts:?}");
    counts
}

#[test]
fn an_outage_of_a_minute_loses_nothing() {
    if hopspan_lab::skip("an_outage_of_a_minute_loses_nothing") {
        return;
    }
    let mut fixture = EchoFixture::start("outage", 1, 1).unwrap();
    fixture.start_agent().unwrap();
    let arguments =
        format!("load --protocol h1 --connections 1 --requests {REQUESTS} --rate {RATE}");
    let mut load = fixture.client(0, &arguments).unwrap().spawn().unwrap();
    thread::sleep(BEFORE);
    fixture.collector.set_state(CollectorState::Refuses);
    thread::sleep(OUTAGE);
    let during = fixture.collector.exchanges();
    assert!(
        during < REQUESTS / 2,
        "{during} exchanges came in an outage"
    );
    fixture.collector.set_state(CollectorState::Accepts);
    wait_for_success(&mut load, LOAD).unwrap();
    // The last batch is accepted within the longest pause.
    let deadline = Instant::now() + LOAD;
    while fixture.collector.exchanges() < REQUESTS && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    let log = fixture.agent.as_ref().unwrap().process.log();
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("spans wait in the queue"), 1, "{log}");
    assert_eq!(lines("503 Service Unavailable: maintenance"), 1, "{log}");
    assert_eq!(lines("the collector accepts spans again"), 1, "{log}");
    let outcome = fixture.finish(REQUESTS).unwrap();
    let judgement = outcome.judge();
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong);
    let right = judgement.right.len();
    let [made, sent, ..] = balance(&outcome.report);
    println!(
        "{right} of {REQUESTS} exchanges after {OUTAGE:?} without a collector, {sent} of {made} spans"
    );
    assert_eq!(right, REQUESTS);
    assert_eq!(sent, made);
}

#[test]
fn beside_a_busy_pair_a_slow_collector_receives_all_of_a_quiet_one() {
    if hopspan_lab::skip("beside_a_busy_pair_a_slow_collector_receives_all_of_a_quiet_one") {
        return;
    }
    let mut fixture = EchoFixture::start("slow", 1, 2).unwrap();
    fixture.start_default_agent(Some(QUEUE)).unwrap();
    fixture.collector.set_state(CollectorState::Slow);
    let load = |client, rate, first, connections| {
        let load = ClientLoad {
            client,
            protocol: "h1",
            connections,
            requests: rate * SLOW_SECONDS,
            rate,
            first,
        };
        fixture.load(load).unwrap()
    };
    let mut loads = [load(0, NOISY, 1, 4), load(1, QUIET, QUIET_FIRST, 1)];
    for load in &mut loads {
        wait_for_success(load, LOAD).unwrap();
    }
    fixture.collector.set_state(CollectorState::Accepts);
    let all = usize::try_from((NOISY + QUIET) * SLOW_SECONDS).unwrap();
    let outcome = fixture.finish(all).unwrap();
    let judgement = outcome.judge();
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong);
    let (quiet, noisy): (Vec<u64>, Vec<u64>) = judgement
        .right
        .iter()
        .partition(|number| **number >= QUIET_FIRST);
    let [made, sent, failed, dropped] = balance(&outcome.report);
    println!(
        "{} exchanges of the quiet pair and {} of the busy one; {sent} of {made} spans, {dropped} dropped",
        quiet.len(),
        noisy.len()
    );
    assert_eq!(failed, 0);
    assert!(dropped > made / 10, "{dropped} of {made} were dropped");
    assert_eq!(quiet.len() as u64, QUIET * SLOW_SECONDS);
}

#[test]
fn a_second_signal_ends_the_flush_to_a_collector_that_hangs() {
    if hopspan_lab::skip("a_second_signal_ends_the_flush_to_a_collector_that_hangs") {
        return;
    }
    let mut fixture = EchoFixture::start("hang", 1, 1).unwrap();
    fixture.start_agent().unwrap();
    fixture.collector.set_state(CollectorState::Hangs);
    let arguments = "load --protocol h1 --connections 1 --requests 50 --rate 100";
    let mut load = fixture.client(0, arguments).unwrap().spawn().unwrap();
    wait_for_success(&mut load, LOAD).unwrap();
    let process = &mut fixture.agent.as_mut().unwrap().process;
    process.signal(Signal::SIGTERM).unwrap();
    assert_eq!(process.wait(Duration::from_secs(3)).unwrap(), None);
    process.signal(Signal::SIGTERM).unwrap();
    let status = process.wait(AT_ONCE).unwrap();
    let log = process.log();
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?} {log}"
    );
    assert!(log.contains("gave up flushing"), "{log}");
    let report = Report::read(&fixture.work_dir().join("report.json")).unwrap();
    let [made, sent, failed, _] = balance(&report);
    assert!(made > 0 && sent == 0 && failed == made, "{sent} of {made}");
}
