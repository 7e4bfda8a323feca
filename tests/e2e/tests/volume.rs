//! A hundred thousand exchanges: each has its own response and no other.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::{Duration, Instant};

use hopspan_e2e::EchoFixture;

/// Exchanges of a load.
const EXCHANGES: u64 = 100_000;
/// Requests a second, fewer than the agent can export on two processors. With more, the queue is
/// full and drops spans, which the report counts.
const RATE: u32 = 2_000;
const LOAD: Duration = Duration::from_secs(150);

fn check(label: &str, arguments: &str) {
    let mut fixture = EchoFixture::start(label, 1, 1).unwrap();
    fixture.start_agent().unwrap();
    let begin = Instant::now();
    let arguments = format!("load {arguments} --requests {EXCHANGES} --rate {RATE}");
    let output = fixture.client(0, &arguments).unwrap().run(LOAD).unwrap();
    let expected = usize::try_from(EXCHANGES).unwrap();
    let outcome = fixture.finish(expected).unwrap();
    let judgement = outcome.judge();
    println!(
        "{label}: {} right, {} partial, {} wrong, {} spans in {:?}; load {output}",
        judgement.right.len(),
        judgement.partial.len(),
        judgement.wrong.len(),
        outcome.collected.spans,
        begin.elapsed()
    );
    println!("{:?}", outcome.report);
    outcome.report.assert_nothing_lost();
    assert!(judgement.wrong.is_empty(), "{:#?}", judgement.wrong.first());
    assert!(
        judgement.partial.is_empty(),
        "{} are not complete, among them {:#?}",
        judgement.partial.len(),
        judgement.partial.first_key_value()
    );
    let missing: Vec<u64> = (1..=EXCHANGES)
        .filter(|number| !judgement.right.contains(number))
        .collect();
    assert!(
        missing.is_empty(),
        "{} missing, the first {:?}",
        missing.len(),
        missing.get(..5.min(missing.len()))
    );
}

#[test]
fn http1_on_50_connections() {
    if hopspan_lab::skip("http1_on_50_connections") {
        return;
    }
    check("volume-h1", "--protocol h1 --connections 50");
}

#[test]
fn http2_on_4_connections_with_100_streams() {
    if hopspan_lab::skip("http2_on_4_connections_with_100_streams") {
        return;
    }
    check("volume-h2", "--protocol h2 --connections 4 --streams 100");
}
