//! A server that does not read: its receive window becomes zero while it is sent a request.

use std::time::Duration;

use hopspan_e2e::{Parent, fill, pause, send, take, until};
use hopspan_lab::kube_proxy::ProxyMode;

use super::fixture::{Far, Ground, SERVICE, check};

/// More than the receive queue of a socket whose application does not read, and what the sender keeps.
const BODY_BYTES: u64 = 16 << 20;
const PAUSE: Duration = Duration::from_millis(800);

#[test]
fn a_server_that_does_not_read() {
    if hopspan_lab::skip("a_server_that_does_not_read") {
        return;
    }
    let ground = Ground::start("zero-window", ProxyMode::default(), Far::Missing);
    let parent = Parent::new();
    let traceparent = parent.traceparent();
    let head = format!(
        "POST /item HTTP/1.1\r\nHost: server\r\nContent-Length: {BODY_BYTES}\r\ntraceparent: {traceparent}\r\n\r\n"
    );
    let answer = send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let server = [until("\r\n\r\n"), pause(PAUSE), take(BODY_BYTES), answer];
    let client = [send(head), fill(BODY_BYTES), until("ok")];
    ground.dialogues.play(&server, &client).unwrap();
    let outcome = ground.finish();
    let exchange = parent.exchange(&outcome.traces);
    check(exchange, &["http.response.status_code=200", "error.type="]);
    assert!(!exchange.events.is_empty(), "{exchange:#?}");
    assert!(
        exchange
            .events
            .iter()
            .all(|event| event == "tcp.zero_window")
    );
    let mut longest_ns = 0;
    for event in &exchange.event_attributes {
        assert_eq!(event["hopspan.tcp.window_of"], "server", "{event:?}");
        longest_ns = longest_ns.max(event["hopspan.tcp.zero_window_ns"].parse().unwrap());
    }
    let longest = Duration::from_nanos(longest_ns);
    assert!(longest > PAUSE / 2 && longest < PAUSE * 4, "{longest:?}");
    let failures = outcome.report.failures("zero_window", SERVICE, "");
    assert_eq!(failures, exchange.events.len() as u64);
}
