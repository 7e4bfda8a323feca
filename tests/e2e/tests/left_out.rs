//! Requests that nobody traces are left out by the kernel programs: what stands beside them on the same
//! connection is told as if they were not there, and of what cannot be told apart nothing is.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use hopspan_e2e::{
    DialogueFixture, Outcome, Parent, Step, assert_legs,
    http1::{HEAD_END, get_traced, request},
    send, until,
};

/// Rounds of one request of each kind.
const ROUNDS: usize = 12;
/// What a request says of its trace when it is not sampled. Of each round, as many requests are left out.
const NOT_SAMPLED: [&str; 3] = [
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n",
    "",
    "b3: 0\r\n",
];

fn not_sampled(lines: &str) -> String {
    request("GET", "/other", lines)
}

/// An answer with a status that tells it from its neighbours.
fn answer(number: usize) -> Step {
    let status = status(number);
    send(format!(
        "HTTP/1.1 {status} Fine\r\nContent-Length: 2\r\n\r\nok"
    ))
}

fn status(number: usize) -> usize {
    200 + number % 50
}

/// The path of a sampled request.
fn path(number: usize) -> String {
    format!("/sampled/{number}")
}

/// One connection with all kinds of requests in turn, the next sent when the last was answered. The
/// sampled ones, each with its number on the connection.
fn in_turn(dialogues: &DialogueFixture) -> Vec<(usize, Parent)> {
    let (mut client, mut server, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    let mut number = 0;
    let mut exchange = |text: &str| {
        client.extend([send(text), until("ok")]);
        server.extend([until(HEAD_END), answer(number)]);
        number += 1;
        number - 1
    };
    for round in 0..ROUNDS {
        let (before, after) = NOT_SAMPLED.split_at(round % (NOT_SAMPLED.len() + 1));
        for lines in before {
            exchange(&not_sampled(lines));
        }
        let parent = Parent::new();
        let number = exchange(&get_traced(&path(asked.len()), &parent));
        asked.push((number, parent));
        for lines in after {
            exchange(&not_sampled(lines));
        }
    }
    dialogues.play(&server, &client).unwrap();
    asked
}

/// Checks that each of them has its own answer and all of its hops.
fn assert_exact(outcome: &Outcome, asked: &[(usize, Parent)]) {
    for (sampled, (number, parent)) in asked.iter().enumerate() {
        let exchange = parent.exchange(&outcome.traces);
        assert_eq!(exchange.attribute("url.path"), path(sampled));
        assert_eq!(
            exchange.attribute("http.response.status_code"),
            status(*number).to_string()
        );
        assert_eq!(exchange.attribute("hopspan.incomplete"), "");
        let trace = parent.trace(&outcome.traces);
        let connects = trace.of_role("connect").count();
        assert_legs(trace, exchange, connects == 1);
    }
    assert_eq!(outcome.traces.0.len(), asked.len(), "only they have spans");
}

#[test]
fn sampled_requests_among_others_are_told_exactly() {
    if hopspan_lab::skip("sampled_requests_among_others_are_told_exactly") {
        return;
    }
    let dialogues = DialogueFixture::start("left-out").unwrap();
    let asked = in_turn(&dialogues);
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    assert_exact(&outcome, &asked);
    let left_out = outcome.report().number(&["kernel", "journeys", "left_out"]);
    assert_eq!(left_out, (ROUNDS * NOT_SAMPLED.len()) as u64);
}

#[test]
fn follow_all_leaves_none_out_and_tells_the_same() {
    if hopspan_lab::skip("follow_all_leaves_none_out_and_tells_the_same") {
        return;
    }
    let dialogues = DialogueFixture::start_with("follow-all", &["--follow-all"]).unwrap();
    let asked = in_turn(&dialogues);
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    assert_exact(&outcome, &asked);
    let left_out = outcome.report().number(&["kernel", "journeys", "left_out"]);
    assert_eq!(left_out, 0);
    let exchanges = outcome.report().number(&["pipeline", "exchanges"]);
    let all = (ROUNDS * (NOT_SAMPLED.len() + 1)) as u64;
    assert!(exchanges >= all, "{exchanges} of {all}");
}

/// A client that does not wait: in writes of their own, and in one write. An answer then stands behind
/// those of requests that were not followed, and no number of TCP says behind which.
#[test]
fn pipelined_ones_are_told_rightly_or_not_at_all() {
    if hopspan_lab::skip("pipelined_ones_are_told_rightly_or_not_at_all") {
        return;
    }
    let dialogues = DialogueFixture::start("left-out-pipelined").unwrap();
    let mut asked = Vec::new();
    for in_one_write in [false, true] {
        for place in 0..4 {
            let parent = Parent::new();
            let texts: Vec<String> = (0..4)
                .map(|number| match number == place {
                    true => get_traced(&path(asked.len()), &parent),
                    false => not_sampled(NOT_SAMPLED[number % NOT_SAMPLED.len()]),
                })
                .collect();
            asked.push((place, parent));
            let mut client: Vec<Step> = match in_one_write {
                true => vec![send(texts.concat())],
                false => texts.iter().map(send).collect(),
            };
            client.extend((0..4).map(|_| until("ok")));
            let server: Vec<Step> = (0..4)
                .flat_map(|number| [until(HEAD_END), answer(number)])
                .collect();
            dialogues.play(&server, &client).unwrap();
        }
    }
    // Another connection of the same pair is not touched by that.
    let in_order = in_turn(&dialogues);
    let outcome = dialogues.finish().unwrap();
    let mut told = 0;
    for (sampled, (place, parent)) in asked.iter().enumerate() {
        let Some(trace) = outcome.traces.0.get(&parent.trace_id) else {
            continue;
        };
        for exchange in trace.of_role("exchange") {
            assert_eq!(exchange.attribute("url.path"), path(sampled));
            let answered = exchange.attribute("http.response.status_code");
            let is_right = answered == status(*place).to_string();
            assert!(is_right || answered.is_empty(), "{exchange:#?}");
            told += 1;
        }
    }
    println!("{told} of {} are told", asked.len());
    for (number, parent) in &in_order {
        let exchange = parent.exchange(&outcome.traces);
        assert_eq!(
            exchange.attribute("http.response.status_code"),
            status(*number).to_string()
        );
    }
}
