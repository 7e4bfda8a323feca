//! Ten requests before the first answer: each has its own answer.

use std::time::Duration;

use hopspan_e2e::{DialogueFixture, Step, pause, send, until};

use super::traced_request::TracedRequest;

const STATUSES: [&str; 10] = [
    "200", "404", "201", "500", "202", "403", "203", "418", "206", "503",
];
/// Long enough that the next write is a packet of its own.
const APART: Duration = Duration::from_millis(10);

/// How the messages of one side are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    /// All in one write.
    One,
    /// Each in a write of its own.
    Each,
}

fn written(messages: &[String], writes: Writes) -> Vec<Step> {
    match writes {
        Writes::One => vec![send(messages.concat())],
        Writes::Each => messages
            .iter()
            .flat_map(|message| [send(message), pause(APART)])
            .collect(),
    }
}

fn check(label: &str, requests: Writes, responses: Writes) {
    let traced: Vec<TracedRequest> = STATUSES
        .iter()
        .enumerate()
        .map(|(index, status)| TracedRequest::new("GET", format!("/{index}"), status))
        .collect();
    let heads: Vec<String> = traced.iter().map(|request| request.head("")).collect();
    let answers = STATUSES
        .map(|status| format!("HTTP/1.1 {status} Answer\r\nContent-Length: 6\r\n\r\nanswer"));
    let dialogues = DialogueFixture::start(label).unwrap();
    let mut server = vec![until("\r\n\r\n"); STATUSES.len()];
    server.extend(written(&answers, responses));
    let mut client = written(&heads, requests);
    client.extend(vec![until("answer"); STATUSES.len()]);
    dialogues.play(&server, &client).unwrap();
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    for (index, request) in traced.iter().enumerate() {
        request.assert(&outcome.traces, index == 0);
    }
}

#[test]
fn ten_requests_in_one_write() {
    if hopspan_lab::skip("ten_requests_in_one_write") {
        return;
    }
    check("one-write", Writes::One, Writes::Each);
}

#[test]
fn ten_requests_in_ten_writes() {
    if hopspan_lab::skip("ten_requests_in_ten_writes") {
        return;
    }
    check("ten-writes", Writes::Each, Writes::One);
}
