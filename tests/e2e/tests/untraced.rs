//! Requests without trace context: without `--untraced` they have no spans, with it some of them
//! have a trace of their own. A request whose caller decided against a trace has none either way.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::{
    DialogueFixture, Exchange, Outcome, Parent, Span, Step, Trace, assert_legs, frames,
    http1::{HEAD_END, OK, request, traceparent},
    pause, send, until,
};

/// The traces a second that `--untraced` allows.
const RATE: usize = 5;
/// Requests without context that are sent in far less than a second.
const BURST: usize = 30;
const APART: Duration = Duration::from_millis(1_200);

/// Header lines of callers that decided on a trace: one trace that is recorded, and several
/// decisions against one.
fn decided(recorded: &Parent) -> Vec<String> {
    let other = Parent::new();
    let (trace, span) = (&other.trace_id, &other.span_id);
    vec![
        traceparent(recorded),
        format!("traceparent: 00-{trace}-{span}-00\r\n"),
        format!("b3: {trace}-{span}-0\r\n"),
        "b3: 0\r\n".to_owned(),
        "x-b3-sampled: 0\r\n".to_owned(),
        format!("uber-trace-id: {trace}:{span}:0:0\r\n"),
    ]
}

/// Plays two bursts without context and one request for each decision on an HTTP/1.1 connection,
/// then a request without context on one of HTTP/2.
fn outcome(label: &str, arguments: &[&str], recorded: &Parent) -> Outcome {
    let dialogues = DialogueFixture::start_with(label, arguments).unwrap();
    let mut client = Vec::new();
    for path in ["/first", "/second"] {
        for _ in 0..BURST {
            client.extend([send(request("GET", path, "")), until("ok")]);
        }
        client.push(pause(APART));
    }
    let decided = decided(recorded);
    for lines in &decided {
        client.extend([send(request("GET", "/decided", lines)), until("ok")]);
    }
    let answers = 2 * BURST + decided.len();
    let server: Vec<Step> = (0..answers)
        .flat_map(|_| [until(HEAD_END), send(OK)])
        .collect();
    dialogues.play(&server, &client).unwrap();
    dialogues
        .play(
            &[
                until(frames::settings()),
                send(frames::settings()),
                until("/http2"),
                send(frames::response(1, "200")),
            ],
            &[
                pause(APART),
                send(frames::preface()),
                until(frames::settings()),
                send(frames::get(1, "/http2", &[])),
                until(frames::response(1, "200")),
            ],
        )
        .unwrap();
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    // More than these: the agent sends requests to the collector.
    let seen = outcome.report().requests();
    assert!(seen > answers as u64, "{seen} requests were seen");
    outcome
}

/// The exchanges of a path, each with its trace.
fn of_path<'o>(outcome: &'o Outcome, path: &str) -> Vec<(&'o Trace, Exchange<'o>)> {
    let traces = outcome.traces.0.values();
    traces
        .flat_map(|trace| {
            trace
                .exchanges()
                .into_iter()
                .map(move |exchange| (trace, exchange))
        })
        .filter(|(_, exchange)| exchange.attribute("url.path") == path)
        .collect()
}

#[test]
fn without_the_option_there_are_no_traces() {
    if hopspan_lab::skip("without_the_option_there_are_no_traces") {
        return;
    }
    let recorded = Parent::new();
    let outcome = outcome("untraced-off", &[], &recorded);
    recorded.exchange(&outcome.traces);
    assert_eq!(outcome.traces.0.len(), 1, "{:?}", outcome.traces.0.keys());
}

#[test]
fn traces_are_limited_per_second_and_complete() {
    if hopspan_lab::skip("traces_are_limited_per_second_and_complete") {
        return;
    }
    let recorded = Parent::new();
    let rate = RATE.to_string();
    let outcome = outcome("untraced", &["--untraced", &rate], &recorded);
    let (first, second) = (of_path(&outcome, "/first"), of_path(&outcome, "/second"));
    for burst in [&first, &second] {
        // The agent counts by its own seconds: a burst may lie in two of them.
        let count = burst.len();
        assert!((RATE..=2 * RATE).contains(&count), "{count} of {BURST}");
    }
    let http2 = of_path(&outcome, "/http2");
    assert_eq!(http2.len(), 1);
    assert_eq!(of_path(&outcome, "/decided").len(), 1);
    let own: Vec<(&Trace, Exchange<'_>)> = [first, second, http2].concat();
    // Each is the root of a trace of its own; the agent's own export has no trace.
    assert_eq!(outcome.traces.0.len(), own.len() + 1);
    for (trace, exchange) in own {
        let roots: Vec<&Span> = trace.of_role("exchange").collect();
        let [root] = roots[..] else {
            panic!("{roots:#?}");
        };
        assert_eq!(root.parent_id, "", "{root:#?}");
        assert_eq!(root.span_id, exchange.parent_id);
        exchange.assert_within(root);
        assert_eq!(exchange.attribute("http.response.status_code"), "200");
        assert_eq!(exchange.attribute("hopspan.incomplete"), "");
        let connects = trace.of_role("connect").count();
        assert_legs(trace, &exchange, connects == 1);
    }
    assert_eq!(
        recorded.exchange(&outcome.traces).parent_id,
        recorded.span_id
    );
}
