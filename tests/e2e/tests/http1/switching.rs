//! Connections that switch to another protocol: their first exchange is traced, and what follows is
//! not, even if it looks like HTTP/1.

use hopspan_e2e::{DialogueFixture, Step, send, until};

use super::traced_request::TracedRequest;

/// The client's steps inside a tunnel: both directions look like HTTP/1, with a trace context.
fn look_alikes(inside: &TracedRequest) -> [Step; 4] {
    [
        send(inside.head("")),
        until("lookalike"),
        send(inside.head("Second: 1\r\n")),
        until("lookalike"),
    ]
}

fn check(label: &str, request: &TracedRequest, lines: &str, answer: &str) {
    let inside = TracedRequest::new("GET", "/inside", "200");
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nlookalike";
    let dialogues = DialogueFixture::start(label).unwrap();
    let mut client = vec![send(request.head(lines)), until("\r\n\r\n")];
    client.extend(look_alikes(&inside));
    dialogues
        .play(
            &[
                until("\r\n\r\n"),
                send(answer),
                until("\r\n\r\n"),
                send(response),
                until("\r\n\r\n"),
                send(response),
            ],
            &client,
        )
        .unwrap();
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    request.assert(&outcome.traces, true);
    assert_eq!(
        outcome.traces.0.len(),
        1,
        "spans of bytes that are not HTTP: {:?}",
        outcome.traces.0.get(&inside.parent.trace_id)
    );
}

#[test]
fn a_websocket_is_left_alone() {
    if hopspan_lab::skip("a_websocket_is_left_alone") {
        return;
    }
    check(
        "websocket",
        &TracedRequest::new("GET", "/chat", "101"),
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
}

#[test]
fn a_tunnel_is_left_alone() {
    if hopspan_lab::skip("a_tunnel_is_left_alone") {
        return;
    }
    check(
        "tunnel",
        &TracedRequest::tunnel("server:443"),
        "",
        "HTTP/1.1 200 Connection established\r\n\r\n",
    );
}
