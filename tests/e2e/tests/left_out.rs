//! Requests without a sampled context are left out by the kernel programs. The other requests on
//! the same connection have the same spans as without them, and no spans where their responses
//! cannot be identified.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use hopspan_e2e::{
    DialogueFixture, Outcome, Parent, Step, assert_legs,
    http1::{HEAD_END, get_traced, request},
    send, until,
};

/// Rounds, each with one request of each kind.
const ROUNDS: usize = 12;
/// The header lines of requests that are not sampled. Each round has one request with each.
const NOT_SAMPLED: [&str; 3] = [
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n",
    "",
    "b3: 0\r\n",
];

fn not_sampled(lines: &str) -> String {
    request("GET", "/other", lines)
}

/// An answer with another status than its neighbours.
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

/// Plays one connection with all kinds of requests in turn, each sent when the one before is
/// answered. Returns the sampled requests, each with its number on the connection.
fn in_turn(dialogues: &DialogueFixture) -> Vec<(usize, Parent)> {
    let (mut client, mut server, mut sampled) = (Vec::new(), Vec::new(), Vec::new());
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
        let number = exchange(&get_traced(&path(sampled.len()), &parent));
        sampled.push((number, parent));
        for lines in after {
            exchange(&not_sampled(lines));
        }
    }
    dialogues.play(&server, &client).unwrap();
    sampled
}

/// Checks that each of these requests has its own answer and all of its hops, and that no other has
/// spans.
fn assert_exact(outcome: &Outcome, sampled: &[(usize, Parent)]) {
    for (index, (number, parent)) in sampled.iter().enumerate() {
        let exchange = &parent.exchange(&outcome.traces);
        assert_eq!(exchange.attribute("url.path"), path(index));
        assert_eq!(
            exchange.attribute("http.response.status_code"),
            status(*number).to_string()
        );
        assert_eq!(exchange.attribute("hopspan.incomplete"), "");
        let trace = parent.trace(&outcome.traces);
        let connects = trace.of_role("connect").count();
        assert_legs(trace, exchange, connects == 1);
    }
    assert_eq!(outcome.traces.0.len(), sampled.len(), "traces");
}

#[test]
fn sampled_requests_among_others_are_complete() {
    if hopspan_lab::skip("sampled_requests_among_others_are_complete") {
        return;
    }
    let dialogues = DialogueFixture::start("left-out").unwrap();
    let sampled = in_turn(&dialogues);
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    assert_exact(&outcome, &sampled);
    let left_out = outcome.report().number(&["kernel", "journeys", "left_out"]);
    assert_eq!(left_out, (ROUNDS * NOT_SAMPLED.len()) as u64);
}

#[test]
fn follow_all_leaves_no_request_out() {
    if hopspan_lab::skip("follow_all_leaves_no_request_out") {
        return;
    }
    let dialogues = DialogueFixture::start_with("follow-all", &["--follow-all"]).unwrap();
    let sampled = in_turn(&dialogues);
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    assert_exact(&outcome, &sampled);
    let left_out = outcome.report().number(&["kernel", "journeys", "left_out"]);
    assert_eq!(left_out, 0);
    let exchanges = outcome.report().number(&["pipeline", "exchanges"]);
    let all = (ROUNDS * (NOT_SAMPLED.len() + 1)) as u64;
    assert!(exchanges >= all, "{exchanges} of {all}");
}

/// A client that sends several requests before the first answer, each in its own write or all in
/// one. An answer then follows those to requests that were left out, and TCP's sequence numbers do
/// not show which answer it is.
#[test]
fn pipelined_requests_never_get_a_wrong_answer() {
    if hopspan_lab::skip("pipelined_requests_never_get_a_wrong_answer") {
        return;
    }
    let dialogues = DialogueFixture::start("left-out-pipelined").unwrap();
    let mut sampled = Vec::new();
    for in_one_write in [false, true] {
        for place in 0..4 {
            let parent = Parent::new();
            let texts: Vec<String> = (0..4)
                .map(|number| match number == place {
                    true => get_traced(&path(sampled.len()), &parent),
                    false => not_sampled(NOT_SAMPLED[number % NOT_SAMPLED.len()]),
                })
                .collect();
            sampled.push((place, parent));
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
    // Another connection of the same pair is not affected.
    let in_order = in_turn(&dialogues);
    let outcome = dialogues.finish().unwrap();
    let mut exported = 0;
    for (index, (place, parent)) in sampled.iter().enumerate() {
        let Some(trace) = outcome.traces.0.get(&parent.trace_id) else {
            continue;
        };
        for exchange in &trace.exchanges() {
            assert_eq!(exchange.attribute("url.path"), path(index));
            let answered = exchange.attribute("http.response.status_code");
            let is_right = answered == status(*place).to_string();
            assert!(is_right || answered.is_empty(), "{exchange:#?}");
            exported += 1;
        }
    }
    println!("{exported} of {} have spans", sampled.len());
    for (number, parent) in &in_order {
        let exchange = &parent.exchange(&outcome.traces);
        assert_eq!(
            exchange.attribute("http.response.status_code"),
            status(*number).to_string()
        );
    }
}
