//! Heads in unusual pieces, with an unusual method or beginning: each request is followed and
//! has its own status.

use std::time::Duration;

use hopspan_e2e::{
    DialogueFixture, Outcome, Parent, Step, assert_legs, end,
    http1::{self, HEAD_END, request, traceparent},
    pause, send, until,
};

use super::{
    case::{Case, answer, assert_exchanges, check},
    traced_request::TracedRequest,
};

/// Bytes of the first write of a head.
const FIRST_WRITES: [usize; 5] = [1, 4, 8, 14, 15];
const LATE: Duration = Duration::from_millis(50);

/// Adds a request for each cut, whose first write has so many bytes of the head.
fn cut_requests(mut case: Case, cuts: &[usize]) -> Case {
    for cut in cuts {
        let request = TracedRequest::new("GET", format!("/cut-after-{cut}"), "203");
        let head = request.head("");
        let (begin, rest) = head.split_at(*cut);
        case = case.exchange(request, &[begin, rest], &[&answer("203")]);
    }
    case
}

#[test]
fn the_first_write_of_a_request_is_short() {
    if hopspan_lab::skip("the_first_write_of_a_request_is_short") {
        return;
    }
    let whole = TracedRequest::new("GET", "/whole", "200");
    let head = whole.head("");
    let opened = Case::apart().exchange(whole, &[&head], &[&answer("200")]);
    check("short-request", &[cut_requests(opened, &FIRST_WRITES)]);
}

#[test]
fn the_first_write_of_a_connection_is_short() {
    if hopspan_lab::skip("the_first_write_of_a_connection_is_short") {
        return;
    }
    let cases = FIRST_WRITES.map(|cut| cut_requests(Case::apart(), &[cut]));
    check("short-connection", &cases);
}

#[test]
fn the_first_write_of_a_response_is_short() {
    if hopspan_lab::skip("the_first_write_of_a_response_is_short") {
        return;
    }
    let cuts = [1, 4, 8, 12, 15];
    let mut case = Case::apart();
    for cut in cuts {
        let request = TracedRequest::new("GET", format!("/answer-cut-after-{cut}"), "203");
        let (head, response) = (request.head(""), answer("203"));
        let (begin, rest) = response.split_at(cut);
        case = case.exchange(request, &[&head], &[begin, rest]);
    }
    let outcome = play("short-response", &case.server, &case.client);
    for request in &case.requests {
        assert_no_error(&outcome, &request.parent, "203");
    }
    assert_exchanges(&outcome.traces, cuts.len());
}

/// The method's own name is in `http.request.method_original`.
#[test]
fn methods_of_other_specifications() {
    if hopspan_lab::skip("methods_of_other_specifications") {
        return;
    }
    let methods = ["PROPFIND", "PURGE", "QUERY", "M-SEARCH", "FOOBAR"];
    let statuses = ["207", "200", "203", "404", "501"];
    let parents = methods.map(|_| Parent::new());
    let (mut server, mut client) = (Vec::new(), Vec::new());
    for ((method, status), parent) in methods.iter().zip(statuses).zip(&parents) {
        client.push(send(request(method, "/method", &traceparent(parent))));
        client.push(until("ok"));
        server.push(until(HEAD_END));
        server.push(send(answer(status)));
    }
    let outcome = play("methods", &server, &client);
    for ((index, method), (status, parent)) in methods
        .iter()
        .enumerate()
        .zip(statuses.iter().zip(&parents))
    {
        let exchange = &parent.exchange(&outcome.traces);
        exchange.assert_attributes(&[
            ("http.request.method", "_OTHER"),
            ("http.request.method_original", method),
            ("http.response.status_code", status),
            ("hopspan.incomplete", ""),
        ]);
        assert_legs(parent.trace(&outcome.traces), exchange, index == 0);
    }
    assert_exchanges(&outcome.traces, methods.len());
}

/// A server ignores an empty line before a request line (RFC 9112 section 2.2).
#[test]
fn an_empty_line_before_the_request_line() {
    if hopspan_lab::skip("an_empty_line_before_the_request_line") {
        return;
    }
    let cases = [Case::at_once(), Case::apart()].map(|mut case| {
        for (path, status) in [("/1", "200"), ("/2", "203"), ("/3", "404")] {
            let request = TracedRequest::new("GET", path, status);
            let head = format!("\r\n{}", request.head(""));
            case = case.exchange(request, &[&head], &[&answer(status)]);
        }
        // The empty line in a write of its own, as after the body of an old client's POST.
        let upload = TracedRequest::new("POST", "/4", "201");
        let head = upload.head("Content-Length: 4\r\n");
        let next = TracedRequest::new("GET", "/5", "202");
        let next_head = next.head("");
        case.exchange(upload, &[&head, "body"], &[&answer("201")])
            .exchange(next, &["\r\n", &next_head], &[&answer("202")])
    });
    check("empty-line", &cases);
}

fn play(label: &str, server: &[Step], client: &[Step]) -> Outcome {
    let dialogues = DialogueFixture::start(label).unwrap();
    dialogues.play(server, client).unwrap();
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    outcome
}

/// Checks that a request has its status, or none and an incomplete response, and no error.
fn assert_no_error(outcome: &Outcome, parent: &Parent, status: &str) {
    let exchange = &parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[("error.type", ""), ("hopspan.closed_by", "")]);
    assert!(!exchange.is_error(), "{exchange:#?}");
    let found = exchange.attribute("http.response.status_code");
    if found.is_empty() {
        exchange.assert_attributes(&[("hopspan.incomplete", "response")]);
    } else {
        assert_eq!(found, status, "{exchange:#?}");
    }
}

/// The status line is in a packet of its own, and the connection is closed after the answer.
#[test]
fn a_late_rest_of_a_response_before_the_end() {
    if hopspan_lab::skip("a_late_rest_of_a_response_before_the_end") {
        return;
    }
    let parent = Parent::new();
    let outcome = play(
        "late-rest",
        &[
            until(HEAD_END),
            send("HTTP/1.1 200 OK"),
            pause(LATE),
            send("\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        ],
        &[send(http1::get_traced("/late-rest", &parent)), end()],
    );
    assert_no_error(&outcome, &parent, "200");
    assert_exchanges(&outcome.traces, 1);
}
