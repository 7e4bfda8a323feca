//! Messages of every framing: without a body, with one of known or unknown length, with interim
//! responses before them, and on connections that end with them.

use std::time::Duration;

use hopspan_e2e::{DialogueFixture, Step, end, fill, pause, reset, send, take, until};

use super::traced_request::TracedRequest;

/// The steps of both ends of one connection, and its requests.
struct Case {
    server: Vec<Step>,
    client: Vec<Step>,
    requests: Vec<TracedRequest>,
}

/// A response to HEAD has the length of a body that is not sent. The next response follows at once.
fn head_and_get() -> Case {
    let (head, get) = (
        TracedRequest::new("HEAD", "/head", "200"),
        TracedRequest::new("GET", "/get", "203"),
    );
    Case {
        server: vec![
            until("\r\n\r\n"),
            send("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n"),
            until("\r\n\r\n"),
            send("HTTP/1.1 203 Other\r\nContent-Length: 2\r\n\r\nok"),
        ],
        client: vec![
            send(head.head("")),
            until("\r\n\r\n"),
            send(get.head("")),
            until("ok"),
        ],
        requests: vec![head, get],
    }
}

/// A chunk that looks like a head is not one.
fn chunked_bodies() -> Case {
    let (chunked, next) = (
        TracedRequest::new("POST", "/chunked", "201"),
        TracedRequest::new("GET", "/next", "204"),
    );
    let encoding = "Transfer-Encoding: chunked\r\n";
    Case {
        server: vec![
            until("0\r\n\r\n"),
            send(format!("HTTP/1.1 201 Created\r\n{encoding}\r\n")),
            send("7\r\nHTTP/1.\r\n"),
            pause(Duration::from_millis(20)),
            send("0\r\n\r\n"),
            until("\r\n\r\n"),
            send("HTTP/1.1 204 No Content\r\n\r\n"),
        ],
        client: vec![
            send(chunked.head(encoding)),
            send("5\r\nGET /\r\n"),
            pause(Duration::from_millis(20)),
            send("0\r\n\r\n"),
            until("0\r\n\r\n"),
            send(next.head("")),
            until("\r\n\r\n"),
        ],
        requests: vec![chunked, next],
    }
}

/// 100 and 103 are not the answer, whether in a packet of their own or in the answer's.
fn interim_responses() -> Case {
    let (put, get) = (
        TracedRequest::new("PUT", "/continue", "201"),
        TracedRequest::new("GET", "/hints", "200"),
    );
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    Case {
        server: vec![
            until("\r\n\r\n"),
            send("HTTP/1.1 100 Continue\r\n\r\n"),
            take(4),
            send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
            until("\r\n\r\n"),
            send(hints),
            pause(Duration::from_millis(20)),
            send(format!(
                "{hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            )),
        ],
        client: vec![
            send(put.head("Expect: 100-continue\r\nContent-Length: 4\r\n")),
            until("100 Continue\r\n\r\n"),
            send("body"),
            until("201 Created\r\nContent-Length: 0\r\n\r\n"),
            send(get.head("")),
            until("ok"),
        ],
        requests: vec![put, get],
    }
}

/// The body ends with the connection.
fn body_until_the_end() -> Case {
    let request = TracedRequest::new("GET", "/until-the-end", "200");
    Case {
        server: vec![
            until("\r\n\r\n"),
            send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
            fill(100_000),
        ],
        client: vec![send(request.head("Connection: close\r\n")), end()],
        requests: vec![request],
    }
}

fn http10() -> Case {
    let request = TracedRequest::new("GET", "/old", "200").in_http10();
    Case {
        server: vec![
            until("\r\n\r\n"),
            send("HTTP/1.0 200 OK\r\n\r\nold and short"),
        ],
        client: vec![send(request.head("")), end()],
        requests: vec![request],
    }
}

/// The server does not read the body and closes: a RST follows its answer, which is complete all
/// the same.
fn answer_before_the_body_is_read() -> Case {
    let request = TracedRequest::new("POST", "/too-large", "413");
    Case {
        server: vec![
            until("\r\n\r\n"),
            send(
                "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ),
            pause(Duration::from_millis(50)),
            reset(),
        ],
        client: vec![
            send(request.head("Content-Length: 1000000\r\n")),
            fill(30_000),
            until("Content-Length: 0\r\n\r\n"),
            end(),
        ],
        requests: vec![request],
    }
}

/// A head of 15 KiB, in writes that begin and end anywhere, each of several segments.
fn head_in_many_segments() -> Case {
    let request = TracedRequest::new("GET", "/segments", "200");
    let cookies = format!("Cookie: a={}\r\n", "b".repeat(7 * 1024)).repeat(2);
    let head = request.head(&cookies);
    let mut client: Vec<Step> = head
        .as_bytes()
        .chunks(head.len() / 3)
        .flat_map(|piece| [send(piece), pause(Duration::from_millis(20))])
        .collect();
    client.push(until("ok"));
    Case {
        server: vec![
            until("\r\n\r\n"),
            send("HTTP/1.1 200 OK\r\nServ"),
            pause(Duration::from_millis(20)),
            send("er: slow\r\nContent-Length: 2\r\n\r\n"),
            send("ok"),
        ],
        client,
        requests: vec![request],
    }
}

#[test]
fn every_framing_makes_its_exchanges() {
    if hopspan_lab::skip("every_framing_makes_its_exchanges") {
        return;
    }
    let cases = [
        head_and_get(),
        chunked_bodies(),
        interim_responses(),
        body_until_the_end(),
        http10(),
        answer_before_the_body_is_read(),
        head_in_many_segments(),
    ];
    let dialogues = DialogueFixture::start("messages").unwrap();
    for case in &cases {
        dialogues.play(&case.server, &case.client).unwrap();
    }
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    for request in cases.iter().flat_map(|case| case.requests.first()) {
        request.assert(&outcome.traces, true);
    }
    for request in cases
        .iter()
        .flat_map(|case| case.requests.get(1..))
        .flatten()
    {
        request.assert(&outcome.traces, false);
    }
    let requests: usize = cases.iter().map(|case| case.requests.len()).sum();
    assert_eq!(
        outcome.traces.0.len(),
        requests,
        "traces without a request of the test: {:?}",
        outcome.traces.0.keys()
    );
}
