//! One request of HTTP/1.1 that is not answered.

use std::time::Duration;

use hopspan_e2e::{
    CLOSE_REPORTED, DialogueFixture, Parent, assert_legs, end,
    http1::{HEAD_END, OK, get_traced},
    pause, send, shut, until,
};

use super::unanswered::{self, End};

#[test]
fn every_end_of_a_connection_ends_its_request() {
    if hopspan_lab::skip("every_end_of_a_connection_ends_its_request") {
        return;
    }
    let dialogues = DialogueFixture::start("ends-h1").unwrap();
    let played = End::ALL.map(|ending| {
        let parent = Parent::new();
        let client = vec![send(get_traced("/waits", &parent))];
        ending.play(&dialogues, Vec::new(), client, HEAD_END);
        parent
    });
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    for (ending, parent) in End::ALL.iter().zip(&played) {
        println!("{ending:?}");
        let (error, closed_by) = ending.attributes();
        unanswered::assert(&outcome.traces, parent, error, closed_by);
    }
    assert_eq!(outcome.traces.0.len(), played.len());
}

/// The server answers long after the client has closed its sending side, which is not the end of
/// the connection.
#[test]
fn a_half_closed_connection_gets_its_answer() {
    if hopspan_lab::skip("a_half_closed_connection_gets_its_answer") {
        return;
    }
    let dialogues = DialogueFixture::start("half-close").unwrap();
    let parent = Parent::new();
    dialogues
        .play(
            &[until(HEAD_END), end(), pause(CLOSE_REPORTED), send(OK)],
            &[
                send(get_traced("/half", &parent)),
                shut(),
                until("ok"),
                end(),
            ],
        )
        .unwrap();
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    let exchange = &parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("http.response.status_code", "200"),
        ("error.type", ""),
        ("hopspan.closed_by", ""),
        ("hopspan.incomplete", ""),
    ]);
    assert_legs(parent.trace(&outcome.traces), exchange, true);
    assert!(Duration::from_nanos(exchange.duration_ns()) >= CLOSE_REPORTED);
}

/// One request was answered, the other two of a pipeline were not.
#[test]
fn an_answer_before_the_end_is_kept() {
    if hopspan_lab::skip("an_answer_before_the_end_is_kept") {
        return;
    }
    let dialogues = DialogueFixture::start("ends-pipeline").unwrap();
    let parents = [Parent::new(), Parent::new(), Parent::new()];
    let requests: String = parents
        .iter()
        .map(|parent| get_traced("/pipelined", parent))
        .collect();
    dialogues
        .play(
            &[until(HEAD_END), until(HEAD_END), until(HEAD_END), send(OK)],
            &[send(requests), until("ok"), end()],
        )
        .unwrap();
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    let exchange = &parents[0].exchange(&outcome.traces);
    assert_eq!(exchange.attribute("http.response.status_code"), "200");
    assert_eq!(exchange.attribute("error.type"), "");
    for parent in &parents[1..] {
        unanswered::assert(&outcome.traces, parent, "connection_closed", "server");
    }
}
