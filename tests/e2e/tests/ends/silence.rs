//! Connections that do not end, though nobody answers: the agent's patience ends, or TCP's.

use std::{fs, time::Duration};

use hopspan_e2e::{Dialogues, Dropping, Parent, Step, Which, end, frames, hang, send, until};

use crate::unanswered;

/// Seconds.
const RESPONSE_TIMEOUT: &str = "2";
/// Some more, in which the agent looks at what waits once a second.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// TCP gives up after 200 ms, twice that, and so on: net.ipv4.tcp_retries2.
const RETRIES: &str = "3";
const TCP_GIVES_UP: Duration = Duration::from_secs(30);

fn http1(parent: &Parent, path: &str) -> Step {
    let traceparent = parent.traceparent();
    send(format!(
        "GET {path} HTTP/1.1\r\nHost: server\r\ntraceparent: {traceparent}\r\n\r\n"
    ))
}

#[test]
fn silence_has_an_end() {
    if hopspan_lab::skip("silence_has_an_end") {
        return;
    }
    let arguments = ["--response-timeout", RESPONSE_TIMEOUT];
    let dialogues = Dialogues::start_with("silence", &arguments).unwrap();
    let (one, two) = (Parent::new(), Parent::new());
    let mut on_http1 = dialogues
        .begin(
            &[until("\r\n\r\n"), hang()],
            &[http1(&one, "/silence"), hang()],
        )
        .unwrap();
    // The next server listens on the same port, where this one has stopped.
    on_http1.wait_server(1).unwrap();
    let traceparent = two.traceparent();
    let get = frames::get(1, "/silence", &[("traceparent", &traceparent)]);
    let on_http2 = dialogues
        .begin(
            &[until("/silence"), hang()],
            &[send(frames::preface()), send(get), hang()],
        )
        .unwrap();
    std::thread::sleep(GIVEN_UP);
    let outcome = dialogues.finish().unwrap();
    drop((on_http1, on_http2));
    outcome.report.assert_nothing_lost();
    for parent in [&one, &two] {
        unanswered::assert(&outcome.traces, parent, "timeout", "");
        let exchange = parent.exchange(&outcome.traces);
        let lasted = Duration::from_nanos(exchange.duration_ns());
        assert!(lasted < GIVEN_UP, "{lasted:?}");
    }
}

/// A request that never arrives, however often TCP sends it.
#[test]
fn tcp_gives_up() {
    if hopspan_lab::skip("tcp_gives_up") {
        return;
    }
    let dialogues = Dialogues::start("tcp-gives-up").unwrap();
    let retries = dialogues
        .client
        .within(|| fs::write("/proc/sys/net/ipv4/tcp_retries2", RETRIES))
        .unwrap();
    retries.unwrap();
    let rule = Dropping::of(&dialogues.scene.node, "/never", Which::All).unwrap();
    let parent = Parent::new();
    let mut dialogue = dialogues
        .begin(&[end()], &[http1(&parent, "/never"), end()])
        .unwrap();
    // `end` knows no time-out: the step fails.
    let client = dialogue.client.wait(TCP_GIVES_UP).unwrap();
    assert!(client.is_some_and(|status| !status.success()), "{client:?}");
    assert!(dialogue.client.log().contains("timed out"));
    drop(rule);
    std::thread::sleep(unanswered::TOLD);
    let outcome = dialogues.finish().unwrap();
    drop(dialogue);
    outcome.report.assert_nothing_lost();
    let (trace, exchange) = (
        parent.trace(&outcome.traces),
        parent.exchange(&outcome.traces),
    );
    assert_eq!(exchange.attribute("error.type"), "timeout", "{exchange:#?}");
    assert_eq!(exchange.attribute("hopspan.closed_by"), "");
    let request = trace.only_child(exchange, "request");
    assert_eq!(request.attribute("hopspan.drop.hop"), "netfilter.forward");
    let retransmits: u32 = request
        .attribute("hopspan.tcp.retransmits")
        .parse()
        .unwrap();
    assert!((2..=5).contains(&retransmits), "{retransmits}");
}
