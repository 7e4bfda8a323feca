//! The agent starts during a load: requests that are sent from then on are traced, and no exchange
//! has a wrong attribute.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::{Answer, EchoFixture};

const REQUESTS: usize = 25_000;
/// Requests a second, fewer than the agent can export: 25 seconds of load.
const RATE: usize = 1_000;
const LOAD: Duration = Duration::from_secs(60);
/// How long the load runs before the agent starts.
const BEFORE: Duration = Duration::from_secs(3);
/// At least so many requests must be sent after the agent is ready.
const AFTER_MIN: usize = REQUESTS / 4;

/// Runs the load. On each connection, so many requests of HTTP/1 are hidden until it is known whether
/// the client pipelines.
fn check(label: &str, arguments: &str, hidden: usize) {
    let mut fixture = EchoFixture::start(label, 1, 1).unwrap();
    let record = fixture.work_dir().join("sent");
    let arguments = format!("load {arguments} --requests {REQUESTS} --rate {RATE}");
    let load = fixture.client(0, &arguments).unwrap();
    let mut load = load.arg("--record").arg(&record).spawn().unwrap();
    std::thread::sleep(BEFORE);
    let ready_ns = fixture.start_agent().unwrap();
    let ended = load.wait(LOAD).unwrap();
    assert!(
        ended.is_some_and(|status| status.success()),
        "the load ended with {ended:?}: {}",
        load.log()
    );
    let sent = Answer::read(&record).unwrap();
    assert_eq!(sent.len(), REQUESTS);
    let since: Vec<u64> = sent
        .iter()
        .filter(|sent| sent.sent_ns > ready_ns)
        .map(|sent| sent.number)
        .collect();
    assert!(
        since.len() > AFTER_MIN,
        "the agent was late: {}",
        since.len()
    );

    let outcome = fixture.finish(since.len()).unwrap();
    let judgement = outcome.judge();
    // The trace id has the request's number: an exchange that came has the right trace context.
    let traced = since
        .iter()
        .filter(|number| judgement.came(**number))
        .count();
    println!(
        "{label}: {} sent after the agent was ready, {traced} of them traced; {} exchanges right, \
         {} partial, {} wrong; {:?}",
        since.len(),
        judgement.right.len(),
        judgement.partial.len(),
        judgement.wrong.len(),
        outcome.report
    );
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong);
    assert!(
        traced + since.len() / 100 + hidden >= since.len(),
        "{traced} of {} are traced",
        since.len()
    );
    outcome.report.assert_nothing_lost();
}

#[test]
fn in_the_middle_of_http1() {
    if hopspan_lab::skip("in_the_middle_of_http1") {
        return;
    }
    check("middle-h1", "--protocol h1 --connections 50", 3 * 50);
}

#[test]
fn in_the_middle_of_http2() {
    if hopspan_lab::skip("in_the_middle_of_http2") {
        return;
    }
    check(
        "middle-h2",
        "--protocol h2 --connections 4 --streams 100",
        0,
    );
}
