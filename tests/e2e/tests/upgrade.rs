//! `Upgrade: h2c` byte by byte: the exchanges before and after it have the right parents.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::{
    DialogueFixture, Parent, Step, Traces, assert_legs, frames,
    http1::{HEAD_END, request, traceparent},
    pause, send, until,
};

/// The statuses of the three responses.
const STATUSES: [&str; 3] = ["201", "404", "200"];
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
/// Long enough that the next write is a packet of its own.
const APART: Duration = Duration::from_millis(20);

fn upgrade(parent: &Parent) -> Step {
    let lines = format!(
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n{}",
        traceparent(parent)
    );
    send(request("GET", "/upgraded", &lines))
}

fn get(stream: u32, parent: &Parent) -> Step {
    send(frames::get_traced(stream, "/next", parent))
}

fn assert(traces: &Traces, parents: &[Parent; 3]) {
    for (index, (parent, status)) in parents.iter().zip(STATUSES).enumerate() {
        let exchange = &parent.exchange(traces);
        exchange.assert_attributes(&[
            ("url.path", if index == 0 { "/upgraded" } else { "/next" }),
            ("http.request.method", "GET"),
            ("http.response.status_code", status),
            ("network.protocol.version", "2"),
            ("hopspan.incomplete", ""),
            ("error.type", ""),
        ]);
        assert_legs(parent.trace(traces), exchange, index == 0);
    }
}

/// Plays an upgrade. `answers` are the server's first steps, which send the 101 and the given
/// answer on stream 1.
fn check(label: &str, answers: impl FnOnce(Vec<u8>) -> Vec<Step>) {
    let parents = [Parent::new(), Parent::new(), Parent::new()];
    let responses = [(1, STATUSES[0]), (3, STATUSES[1]), (5, STATUSES[2])]
        .map(|(stream, status)| frames::response(stream, status));
    let dialogues = DialogueFixture::start(label).unwrap();
    let on_stream_1 = [frames::settings(), responses[0].clone()].concat();
    let mut server = vec![until(HEAD_END)];
    server.extend(answers(on_stream_1));
    server.extend([
        until(frames::preface()),
        until(&parents[1].span_id),
        send(&responses[1]),
        until(&parents[2].span_id),
        send(&responses[2]),
    ]);
    let client = [
        upgrade(&parents[0]),
        until(HEAD_END),
        send(frames::preface()),
        until(&responses[0]),
        get(3, &parents[1]),
        until(&responses[1]),
        get(5, &parents[2]),
        until(&responses[2]),
    ];
    dialogues.play(&server, &client).unwrap();
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    assert(&outcome.traces, &parents);
    assert_eq!(outcome.traces.0.len(), parents.len());
}

#[test]
fn the_answer_follows_in_the_packet_of_the_101() {
    if hopspan_lab::skip("the_answer_follows_in_the_packet_of_the_101") {
        return;
    }
    check("upgrade-one", |answer| {
        vec![send([SWITCH.as_bytes(), &answer].concat())]
    });
}

#[test]
fn the_answer_follows_in_a_packet_of_its_own() {
    if hopspan_lab::skip("the_answer_follows_in_a_packet_of_its_own") {
        return;
    }
    check("upgrade-two", |answer| {
        vec![send(SWITCH), pause(APART), send(answer)]
    });
}

/// A server may send its SETTINGS at once, and its answer only when it has the client's preface.
#[test]
fn the_answer_waits_for_the_preface() {
    if hopspan_lab::skip("the_answer_waits_for_the_preface") {
        return;
    }
    check("upgrade-wait", |answer| {
        vec![
            send([SWITCH.as_bytes(), &frames::settings()].concat()),
            pause(5 * APART),
            send(answer),
        ]
    });
}
