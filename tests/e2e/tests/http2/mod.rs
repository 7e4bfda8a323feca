//! Connections of HTTP/2 of any shape between real sockets, compared with the truth.
//!
//! In: random streams, the same ones in every run for a seed. Out: each stream has one exchange with
//! its own status and end, and there is no other exchange. Left out is what KNOWN_ISSUES.md names: a
//! first packet of the server that ends within the header of its first frame.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

mod connection;
mod plan;
mod writer;

use hopspan_e2e::{DialogueFixture, Traces};
use proptest::{
    collection::vec,
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use self::connection::Connection;

/// Connections of one test.
const CONNECTIONS: usize = 60;

/// Plays random connections.
fn play(label: &str, seed: u8) {
    if hopspan_lab::skip(label) {
        return;
    }
    println!("seed {seed}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let plans = vec(plan::plan(), CONNECTIONS);
    let plans = plans.new_tree(&mut runner).unwrap().current();
    let connections: Vec<Connection> = plans.iter().map(Connection::new).collect();
    let dialogues = DialogueFixture::start(label).unwrap();
    for connection in &connections {
        dialogues
            .play(&connection.server, &connection.client)
            .unwrap();
    }
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    let streams: usize = connections
        .iter()
        .map(|connection| connection.check(&outcome.traces))
        .sum();
    assert_exchanges(&outcome.traces, streams);
    println!("{streams} streams of {CONNECTIONS} connections");
}

/// Checks that there are so many exchanges in all traces, each in a trace of its own.
fn assert_exchanges(traces: &Traces, expected: usize) {
    let exchanges = traces.0.values().map(|trace| trace.exchanges().len());
    assert_eq!(exchanges.sum::<usize>(), expected, "exchanges");
    assert_eq!(traces.0.len(), expected, "traces");
}

#[test]
fn random_streams_1() {
    play("random_streams_1", 1);
}

#[test]
fn random_streams_2() {
    play("random_streams_2", 2);
}

#[test]
fn random_streams_3() {
    play("random_streams_3", 3);
}

#[test]
fn random_streams_4() {
    play("random_streams_4", 4);
}
