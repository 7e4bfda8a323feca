//! Responses whose bodies go on behind the packet of their head: when they are over, and which of
//! them are cut.

use std::time::Duration;

use hopspan_e2e::{
    DialogueFixture, Outcome, Parent, Step, end, fill, http1, pause, reset, send, take, until,
};

use super::case::assert_exchanges;

const HEAD_END: &str = "\r\n\r\n";
/// Between two parts of a body.
const LATE: Duration = Duration::from_millis(100);

/// Plays a request and the server's answer. Returns the outcome, and the request's parent.
fn play(label: &str, server: &[Step], client: &[Step]) -> (Outcome, Parent) {
    let parent = Parent::new();
    let dialogues = DialogueFixture::start(label).unwrap();
    let mut steps = vec![send(http1::get_traced("/body", &parent))];
    steps.extend_from_slice(client);
    dialogues.play(server, &steps).unwrap();
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    (outcome, parent)
}

/// Checks the exchange's status, duration, error and side that closed it.
fn assert_exchange(
    (outcome, parent): &(Outcome, Parent),
    at_least: Duration,
    error: &str,
    closed_by: &str,
) {
    let exchange = &parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("http.response.status_code", "200"),
        ("error.type", error),
        ("hopspan.closed_by", closed_by),
        ("hopspan.incomplete", ""),
    ]);
    let took = Duration::from_nanos(exchange.duration_ns());
    assert!(took >= at_least, "{took:?} of {at_least:?}");
    assert!(took < at_least + Duration::from_secs(2), "{took:?}");
}

/// The parts of a body, each later than the one before.
fn late(parts: &[&str]) -> Vec<Step> {
    let steps = parts.iter().flat_map(|part| [pause(LATE), send(part)]);
    [until(HEAD_END)].into_iter().chain(steps).collect()
}

#[test]
fn a_response_lasts_until_its_body_ends() {
    if hopspan_lab::skip("a_response_lasts_until_its_body_ends") {
        return;
    }
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    let cases: [(&str, Vec<Step>); 2] = [
        ("length", late(&[length, "cdef", "ghij"])),
        ("chunks", late(&[chunks, "lo\r\n", "0\r\n\r\n"])),
    ];
    for (label, mut server) in cases {
        let answer: &[&str] = if label == "length" {
            &[length, "cdefghij"]
        } else {
            &[chunks, "lo\r\n0\r\n\r\n"]
        };
        let bytes: usize = answer.iter().map(|text| text.len()).sum();
        server.push(end());
        // The connection stays open for longer than the body.
        let client = [take(bytes as u64), pause(Duration::from_millis(500))];
        let played = play(label, &server, &client);
        assert_exchange(&played, LATE * 3, "", "");
        let took = played.1.exchange(&played.0.traces).duration_ns();
        assert!(
            took < 800_000_000,
            "until the body's end, not the connection's: {took}"
        );
        assert_exchanges(&played.0.traces, 1);
    }
}

/// A body of many packets, and one that looks like a response in the middle.
#[test]
fn a_long_body_ends_with_its_last_packet() {
    if hopspan_lab::skip("a_long_body_ends_with_its_last_packet") {
        return;
    }
    const BYTES: u64 = 3_000_000;
    let inner = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let total = BYTES * 2 + inner.len() as u64;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n");
    let server = [
        until(HEAD_END),
        send(&head),
        fill(BYTES),
        pause(LATE),
        send(inner),
        pause(LATE),
        fill(BYTES),
        end(),
    ];
    let client = [take(head.len() as u64 + total)];
    let played = play("long-body", &server, &client);
    assert_exchange(&played, LATE * 2, "", "");
    assert_exchanges(&played.0.traces, 1);
}

#[test]
fn a_body_without_a_length_ends_with_its_connection() {
    if hopspan_lab::skip("a_body_without_a_length_ends_with_its_connection") {
        return;
    }
    let server = late(&["HTTP/1.1 200 OK\r\nServer: a\r\n\r\nab", "cd", "ef"]);
    let played = play("until-close", &server, &[end()]);
    assert_exchange(&played, LATE * 3, "", "");
}

/// The server closes its connection before the end of the body, in order or with a RST.
#[test]
fn a_cut_body_is_no_success() {
    if hopspan_lab::skip("a_cut_body_is_no_success") {
        return;
    }
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    for (label, head) in [("cut-length", length), ("cut-chunks", chunks)] {
        let server = late(&[head, "cd"]);
        let played = play(label, &server, &[end()]);
        assert_exchange(&played, LATE * 2, "connection_closed", "server");
        let mut server = late(&[head, "cd"]);
        server.extend([pause(LATE), reset()]);
        let played = play(label, &server, &[end()]);
        assert_exchange(&played, LATE * 3, "connection_reset", "server");
    }
}

/// What has no body, whatever its head announces, is over with its head.
#[test]
fn a_response_without_a_body_is_over_at_once() {
    if hopspan_lab::skip("a_response_without_a_body_is_over_at_once") {
        return;
    }
    let not_modified = "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n";
    let server = [until(HEAD_END), send(not_modified), end()];
    let client = [
        take(not_modified.len() as u64),
        pause(Duration::from_millis(500)),
    ];
    let (outcome, parent) = play("no-body", &server, &client);
    let exchange = &parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("http.response.status_code", "304"),
        ("error.type", ""),
        ("hopspan.incomplete", ""),
    ]);
    assert!(exchange.duration_ns() < 400_000_000, "{exchange:#?}");
}
