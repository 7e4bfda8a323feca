//! Requests without a sampled trace context: shown while somebody asks for them, exported never.

use std::time::{Duration, Instant};

use hopspan_e2e::{
    DialogueFixture, Parent,
    http1::{HEAD_END, request, traceparent},
    send, until,
};
use serde_json::Value;

use super::Watcher;

const LEFT_OUT: &str = "hopspan_requests_left_out_total";
/// Longer than the agent takes to publish its metrics.
const PUBLISHED: Duration = Duration::from_millis(2_200);
const TRACERESPONSE: &str = "HTTP/1.1 200 OK\r\ntraceresponse: 00-5eed5eed5eed5eed5eed5eed5eed5eed-ca11ca11ca11ca11-01\r\nContent-Length: 2\r\n\r\nok";

fn play(dialogues: &DialogueFixture, path: &str, lines: &str) {
    let client = [send(request("GET", path, lines)), until("ok")];
    let server = [until(HEAD_END), send(TRACERESPONSE)];
    dialogues.play(&server, &client).unwrap();
}

/// Requests that the programs have left out so far, as published.
fn left_out(dialogues: &mut DialogueFixture) -> f64 {
    std::thread::sleep(PUBLISHED);
    let metrics = dialogues.fixture.agent().metrics().unwrap();
    metrics.value(LEFT_OUT).unwrap()
}

#[test]
fn they_are_followed_while_somebody_watches_them() {
    if hopspan_lab::skip("they_are_followed_while_somebody_watches_them") {
        return;
    }
    let mut dialogues = DialogueFixture::start("watch-untraced").unwrap();
    let directory = dialogues.fixture.work_dir().to_owned();
    let parent = Parent::new();
    let not_sampled = format!(
        "traceparent: 00-{}-{}-00\r\n",
        parent.trace_id, parent.span_id
    );
    let traced = Watcher::start(dialogues.node(), &directory, "--service dialogue/server");

    play(&dialogues, "/before", "");
    let before = left_out(&mut dialogues);
    assert!(before >= 1.0, "{before}");

    let untraced = Watcher::start(
        dialogues.node(),
        &directory,
        "--untraced --service dialogue/server",
    );
    // The loop lets the programs follow them as soon as it turns.
    std::thread::sleep(Duration::from_millis(500));
    play(&dialogues, "/without", "");
    let without = untraced.shown("/without");
    assert_eq!(without["trace_id"], Value::Null, "{without}");
    assert_eq!(
        (&without["status"], &without["method"]),
        (&200.into(), &"GET".into())
    );
    assert_eq!(without["paths"].as_array().unwrap().len(), 3);
    play(&dialogues, "/not-sampled", &not_sampled);
    assert_eq!(untraced.shown("/not-sampled")["trace_id"], Value::Null);
    let sampled = Parent::new();
    play(&dialogues, "/sampled", &traceparent(&sampled));
    assert_eq!(untraced.shown("/sampled")["trace_id"], sampled.trace_id);
    let during = left_out(&mut dialogues);
    assert!(
        during <= before + 1.0,
        "{before} {during}: only what came in the first moment"
    );

    untraced.end();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut after = during;
    while after <= during {
        assert!(Instant::now() < deadline, "requests are still followed");
        play(&dialogues, "/after", "");
        after = left_out(&mut dialogues);
    }
    // The other watcher was shown the sampled one alone.
    traced.shown("/sampled");
    assert_eq!(traced.lines().len(), 1);
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    // Without a watcher these requests have no spans, though the server names its trace.
    sampled.exchange(&outcome.traces);
    assert_eq!(outcome.traces.0.len(), 1, "{:?}", outcome.traces.0.keys());
}
