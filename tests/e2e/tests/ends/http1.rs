//! One request of HTTP/1.1 that is not answered.

use std::time::Duration;

use hopspan_e2e::{Dialogues, Parent, assert_legs, end, pause, send, shut, until};

use crate::unanswered::{self, End, TOLD};

fn request(parent: &Parent, path: &str) -> String {
    let traceparent = parent.traceparent();
    format!("GET {path} HTTP/1.1\r\nHost: server\r\ntraceparent: {traceparent}\r\n\r\n")
}

#[test]
fn every_end_is_told() {
    if hopspan_lab::skip("every_end_is_told") {
        return;
    }
    let dialogues = Dialogues::start("ends-h1").unwrap();
    let asked = End::ALL.map(|ending| {
        let parent = Parent::new();
        let client = vec![send(request(&parent, "/waits"))];
        ending.play(&dialogues, Vec::new(), client, "\r\n\r\n");
        parent
    });
    std::thread::sleep(TOLD);
    let outcome = dialogues.finish().unwrap();
    outcome.report.assert_nothing_lost();
    for (ending, parent) in End::ALL.iter().zip(&asked) {
        println!("{ending:?}");
        let (error, closed_by) = ending.told();
        unanswered::assert(&outcome.traces, parent, error, closed_by);
    }
    assert_eq!(outcome.traces.0.len(), asked.len());
}

/// The server answers long after the client has said that it sends no more, which is no end.
#[test]
fn a_client_that_sends_no_more_gets_its_answer() {
    if hopspan_lab::skip("a_client_that_sends_no_more_gets_its_answer") {
        return;
    }
    let dialogues = Dialogues::start("half-close").unwrap();
    let parent = Parent::new();
    dialogues
        .play(
            &[
                until("\r\n\r\n"),
                end(),
                pause(TOLD),
                send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            ],
            &[send(request(&parent, "/half")), shut(), until("ok"), end()],
        )
        .unwrap();
    let outcome = dialogues.finish().unwrap();
    outcome.report.assert_nothing_lost();
    let exchange = parent.exchange(&outcome.traces);
    for (key, wanted) in [
        ("http.response.status_code", "200"),
        ("error.type", ""),
        ("hopspan.closed_by", ""),
        ("hopspan.incomplete", ""),
    ] {
        assert_eq!(exchange.attribute(key), wanted, "{key} of {exchange:#?}");
    }
    assert_legs(parent.trace(&outcome.traces), exchange, true);
    assert!(Duration::from_nanos(exchange.duration_ns()) >= TOLD);
}

/// One request was answered, the other two of a pipeline were not.
#[test]
fn an_answer_before_the_end_counts() {
    if hopspan_lab::skip("an_answer_before_the_end_counts") {
        return;
    }
    let dialogues = Dialogues::start("ends-pipeline").unwrap();
    let parents = [Parent::new(), Parent::new(), Parent::new()];
    let requests: String = parents
        .iter()
        .map(|parent| request(parent, "/pipelined"))
        .collect();
    dialogues
        .play(
            &[
                until("\r\n\r\n"),
                until("\r\n\r\n"),
                until("\r\n\r\n"),
                send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            ],
            &[send(requests), until("ok"), end()],
        )
        .unwrap();
    std::thread::sleep(TOLD);
    let outcome = dialogues.finish().unwrap();
    outcome.report.assert_nothing_lost();
    let exchange = parents[0].exchange(&outcome.traces);
    assert_eq!(exchange.attribute("http.response.status_code"), "200");
    assert_eq!(exchange.attribute("error.type"), "");
    for parent in &parents[1..] {
        unanswered::assert(&outcome.traces, parent, "connection_closed", "server");
    }
}
