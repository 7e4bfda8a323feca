//! Which exchanges have spans for their hops.

use tracer_common::{journey::End, message::Message};

use super::*;
use crate::{
    flow::{Cause, Ending, ZeroWindow},
    span::{
        EdgeEnd,
        exchange::tests::{exchange, journey, with_context},
    },
};

fn edge(name: &str) -> Edge {
    let end = |name: &str| EdgeEnd::Named(None, name.into());
    Edge {
        caller: end("client"),
        called: end(name),
    }
}

/// The choice for an exchange of the edge to `name`.
fn choose(choice: &mut DetailChoice, exchange: &Exchange, name: &str) -> HopSpans {
    with_context(|context| {
        let paths = Paths::of(exchange, context);
        choice.choose(exchange, &paths, || edge(name))
    })
}

/// An exchange whose request waits so long for the server's read.
fn waited(queue_ns: u64) -> Exchange {
    let mut exchange = exchange("");
    exchange.request.read_ns = Some(1_220 + queue_ns);
    exchange
}

fn without_baseline() -> DetailChoice {
    let mut choice = DetailChoice::default();
    choice.set_baseline(0);
    choice
}

#[test]
fn what_happened_is_the_reason() {
    type Change = fn(&mut Exchange);
    let ended: Change = |exchange| {
        exchange.ending = Some(Ending {
            cause: Cause::Reset,
            by: None,
            at_ns: 9_000,
            answered_until: None,
        });
    };
    let unanswered: Change = |exchange| exchange.response = None;
    let dropped: Change = |exchange| {
        let packet = journey(Message::Request, 1_150, End::Dropped);
        exchange.request.earlier.push(packet);
    };
    let sent_again: Change = |exchange| {
        let packet = journey(Message::Request, 1_150, End::Left);
        exchange.request.earlier.push(packet);
    };
    let no_window: Change = |exchange| {
        exchange.request.window(ZeroWindow {
            closed_ns: 5,
            opened_ns: None,
        });
    };
    for (change, expected) in [
        (ended, "error"),
        (unanswered, "error"),
        (dropped, "drop"),
        (sent_again, "retransmission"),
        (no_window, "zero window"),
    ] {
        let mut exchange = exchange("");
        change(&mut exchange);
        let chosen = choose(&mut without_baseline(), &exchange, "a");
        assert_eq!(chosen, HopSpans::Because(expected));
    }
    let chosen = choose(&mut without_baseline(), &exchange(""), "a");
    assert_eq!(chosen, HopSpans::No);
}

#[test]
fn one_in_so_many_is_the_baseline() {
    let mut choice = DetailChoice::default();
    choice.set_baseline(3);
    let chosen: Vec<bool> = (0..7)
        .map(|_| choose(&mut choice, &exchange(""), "a") == HopSpans::Because("baseline"))
        .collect();
    assert_eq!(chosen, [false, false, true, false, false, true, false]);
}

#[test]
fn a_fixed_threshold() {
    let mut choice = without_baseline();
    choice.set_slow(Duration::from_millis(5));
    assert_eq!(choose(&mut choice, &waited(4_000_000), "a"), HopSpans::No);
    let slow = HopSpans::Because("slow");
    assert_eq!(choose(&mut choice, &waited(5_000_001), "a"), slow);
}

/// What is usual on one edge is slow on another.
#[test]
fn what_is_unusual_on_its_edge_is_slow() {
    let mut choice = without_baseline();
    for _ in 0..200 {
        choose(&mut choice, &waited(1_000), "quick");
        choose(&mut choice, &waited(1_000_000), "busy");
    }
    let slow = HopSpans::Because("slow");
    assert_eq!(choose(&mut choice, &waited(500_000), "quick"), slow);
    assert_eq!(choose(&mut choice, &waited(500_000), "busy"), HopSpans::No);
    // Unusual, but nobody waits for it.
    assert_eq!(choose(&mut choice, &waited(50_000), "quick"), HopSpans::No);
}

/// The time in which a server sends a long body is not the network's.
#[test]
fn a_long_body_is_not_slow() {
    let mut choice = without_baseline();
    choice.set_slow(Duration::from_millis(5));
    let mut exchange = exchange("");
    exchange.response_end = crate::http::ResponseEnd::At(900_000_000);
    assert_eq!(choose(&mut choice, &exchange, "a"), HopSpans::No);
}

#[test]
fn edges_are_bounded() {
    let mut choice = without_baseline();
    for number in 0..2 * MAX_EDGES {
        choose(&mut choice, &exchange(""), &number.to_string());
    }
    assert_eq!(choice.usual.len(), MAX_EDGES);
}
