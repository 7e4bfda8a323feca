//! A server that does not read: its receive window becomes zero while a request arrives.

use std::time::Duration;

use hopspan_e2e::{
    Parent, fill,
    http1::{HEAD_END, OK, request, traceparent},
    pause, send, take, until,
};
use hopspan_lab::kube_proxy::ProxyMode;

use super::fixture::{Far, FaultFixture, SERVICE};

/// More than the receive queue of a socket whose application does not read, and the send queue of
/// its client, can hold.
const BODY_BYTES: u64 = 16 << 20;
const PAUSE: Duration = Duration::from_millis(800);

#[test]
fn a_server_that_does_not_read() {
    if hopspan_lab::skip("a_server_that_does_not_read") {
        return;
    }
    let fixture = FaultFixture::start("zero-window", ProxyMode::default(), Far::Missing);
    let parent = Parent::new();
    let lines = format!("Content-Length: {BODY_BYTES}\r\n{}", traceparent(&parent));
    let head = request("POST", "/item", &lines);
    let server = [until(HEAD_END), pause(PAUSE), take(BODY_BYTES), send(OK)];
    let client = [send(head), fill(BODY_BYTES), until("ok")];
    fixture.dialogues.play(&server, &client).unwrap();
    let outcome = fixture.finish();
    let exchange = &parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[("http.response.status_code", "200"), ("error.type", "")]);
    let request = exchange.path("request");
    assert!(!request.events.is_empty(), "{request:#?}");
    assert!(
        request
            .events
            .iter()
            .all(|event| event == "tcp.zero_window")
    );
    let mut longest_ns = 0;
    for event in &request.event_attributes {
        assert_eq!(event["hopspan.tcp.window_of"], "server", "{event:?}");
        longest_ns = longest_ns.max(event["hopspan.tcp.zero_window_ns"].parse().unwrap());
    }
    let longest = Duration::from_nanos(longest_ns);
    assert!(longest > PAUSE / 2 && longest < PAUSE * 4, "{longest:?}");
    let failures = outcome.report().failures("zero_window", SERVICE, "");
    assert_eq!(failures, request.events.len() as u64);
}
