//! Requests without trace context whose response names the server's trace: where the kernel
//! programs follow the request, the exchange joins that trace.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use hopspan_e2e::{
    DialogueFixture, Outcome, Parent, Step, assert_legs, frames,
    http1::{HEAD_END, request},
    send, until,
};

/// Plays one exchange on an HTTP/1.1 connection. `server`: the server's trace and its span.
fn http1(dialogues: &DialogueFixture, path: &str, server: &Parent) {
    let field = server.traceparent();
    let response =
        format!("HTTP/1.1 200 OK\r\nTraceresponse: {field}\r\nContent-Length: 2\r\n\r\nok");
    dialogues
        .play(
            &[until(HEAD_END), send(response)],
            &[send(request("GET", path, "")), until("ok")],
        )
        .unwrap();
}

/// The same on an HTTP/2 connection.
fn http2(dialogues: &DialogueFixture, path: &str, server: &Parent) {
    let field = server.traceparent();
    let fields = [(":status", "200"), ("traceresponse", &*field)];
    let response = frames::headers(1, &fields, true);
    let of_server: [Step; 4] = [
        until(frames::settings()),
        send(frames::settings()),
        until(path),
        send(response.clone()),
    ];
    let of_client = [
        send(frames::preface()),
        until(frames::settings()),
        send(frames::get(1, path, &[])),
        until(response),
    ];
    dialogues.play(&of_server, &of_client).unwrap();
}

/// Plays one exchange of each protocol. Returns the traces that the servers named.
fn play(label: &str, arguments: &[&str]) -> (Outcome, [Parent; 2]) {
    let dialogues = DialogueFixture::start_with(label, arguments).unwrap();
    let servers = [Parent::new(), Parent::new()];
    http1(&dialogues, "/http1", &servers[0]);
    http2(&dialogues, "/http2", &servers[1]);
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    (outcome, servers)
}

/// Checks that one exchange stands in the server's trace, below a root that links to its span.
fn assert_joined(outcome: &Outcome, server: &Parent, path: &str) {
    let trace = outcome.traces.0.get(&server.trace_id);
    let trace = trace.unwrap_or_else(|| panic!("{path}: {:?}", outcome.traces.0.keys()));
    let roots: Vec<_> = trace.of_role("exchange").collect();
    let [root] = roots[..] else {
        panic!("{path}: {roots:#?}");
    };
    assert_eq!(root.parent_id, "", "{root:#?}");
    let span = (server.trace_id.clone(), server.span_id.clone());
    assert_eq!(root.links, [span], "{root:#?}");
    let exchanges = trace.exchanges();
    let [exchange] = &exchanges[..] else {
        panic!("{path}: {} exchanges", exchanges.len());
    };
    assert_eq!(exchange.parent_id, root.span_id);
    assert_eq!(exchange.attribute("url.path"), path);
    assert_eq!(exchange.attribute("http.response.status_code"), "200");
    exchange.assert_within(root);
    assert_legs(trace, exchange, true);
}

#[test]
fn a_request_without_context_joins_the_trace_of_the_server() {
    if hopspan_lab::skip("a_request_without_context_joins_the_trace_of_the_server") {
        return;
    }
    let (outcome, servers) = play("traceresponse", &["--follow-all"]);
    for (server, path) in servers.iter().zip(["/http1", "/http2"]) {
        assert_joined(&outcome, server, path);
    }
    assert_eq!(outcome.traces.0.len(), 2, "{:?}", outcome.traces.0.keys());
}

/// More exchanges than `--untraced` allows in a second.
#[test]
fn joined_exchanges_are_beyond_the_limit_of_untraced() {
    if hopspan_lab::skip("joined_exchanges_are_beyond_the_limit_of_untraced") {
        return;
    }
    let label = "traceresponse-untraced";
    let dialogues = DialogueFixture::start_with(label, &["--untraced", "1"]).unwrap();
    let servers: Vec<Parent> = (0..5).map(|_| Parent::new()).collect();
    for server in &servers {
        http1(&dialogues, "/joined", server);
    }
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    for server in &servers {
        assert_joined(&outcome, server, "/joined");
    }
}

/// The kernel programs leave out requests of HTTP/1 without context, and follow those of HTTP/2.
#[test]
fn by_default_only_http2_joins() {
    if hopspan_lab::skip("by_default_only_http2_joins") {
        return;
    }
    let (outcome, [_, http2]) = play("traceresponse-default", &[]);
    assert_joined(&outcome, &http2, "/http2");
    assert_eq!(outcome.traces.0.len(), 1, "{:?}", outcome.traces.0.keys());
}
