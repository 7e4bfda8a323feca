//! Connections that do not end, though nobody answers: the agent's patience ends, or TCP's.

use std::{fs, time::Duration};

use hopspan_e2e::{
    DialogueFixture, DropRule, Dropped, Parent, end, frames, hang,
    http1::{HEAD_END, get_traced},
    send, until,
};

use crate::unanswered;

/// Seconds.
const RESPONSE_TIMEOUT: &str = "2";
/// Some more, in which the agent looks at what waits once a second.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// TCP gives up after 200 ms, twice that, and so on: net.ipv4.tcp_retries2.
const RETRIES: &str = "3";
const TCP_GIVES_UP: Duration = Duration::from_secs(30);

#[test]
fn silence_has_an_end() {
    if hopspan_lab::skip("silence_has_an_end") {
        return;
    }
    let arguments = ["--response-timeout", RESPONSE_TIMEOUT];
    let dialogues = DialogueFixture::start_with("silence", &arguments).unwrap();
    let (one, two) = (Parent::new(), Parent::new());
    let mut on_http1 = dialogues
        .begin(
            &[until(HEAD_END), hang()],
            &[send(get_traced("/silence", &one)), hang()],
        )
        .unwrap();
    // The next server listens on the same port, where this one has stopped.
    on_http1.wait_server(1).unwrap();
    let get = frames::get_traced(1, "/silence", &two);
    let on_http2 = dialogues
        .begin(
            &[until("/silence"), hang()],
            &[send(frames::preface()), send(get), hang()],
        )
        .unwrap();
    std::thread::sleep(GIVEN_UP);
    let outcome = dialogues.finish().unwrap();
    drop((on_http1, on_http2));
    outcome.report().assert_nothing_lost();
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
    let dialogues = DialogueFixture::start("tcp-gives-up").unwrap();
    let retries = dialogues
        .client
        .within(|| fs::write("/proc/sys/net/ipv4/tcp_retries2", RETRIES))
        .unwrap();
    retries.unwrap();
    let rule = DropRule::insert(dialogues.node(), "/never", Dropped::All).unwrap();
    let parent = Parent::new();
    let mut dialogue = dialogues
        .begin(&[end()], &[send(get_traced("/never", &parent)), end()])
        .unwrap();
    // `end` knows no time-out: the step fails.
    let client = dialogue.client.wait(TCP_GIVES_UP).unwrap();
    assert!(client.is_some_and(|status| !status.success()), "{client:?}");
    assert!(dialogue.client.log().contains("timed out"));
    drop(rule);
    let outcome = dialogues.finish_after_close().unwrap();
    drop(dialogue);
    outcome.report().assert_nothing_lost();
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
