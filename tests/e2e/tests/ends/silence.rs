//! Connections that stay open without an answer, until a time limit of the agent or of TCP.

use std::{fs, time::Duration};

use hopspan_e2e::{
    DialogueFixture, DropRule, Dropped, Parent, assert_legs, end, frames, hang,
    http1::{HEAD_END, OK, get_traced},
    pause, send, until,
};

/// `--response-timeout`.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// A few seconds more: the agent checks the limit once a second.
const STILL_OPEN: Duration = Duration::from_secs(5);
/// net.ipv4.tcp_retries2: TCP sends again after 200 ms, then after twice that, and so on.
const RETRIES: &str = "3";
const TCP_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_request_without_an_answer_is_still_open() {
    if hopspan_lab::skip("a_request_without_an_answer_is_still_open") {
        return;
    }
    let seconds = RESPONSE_TIMEOUT.as_secs().to_string();
    let arguments = ["--response-timeout", &seconds];
    let dialogues = DialogueFixture::start_with("silence", &arguments).unwrap();
    let (one, two) = (Parent::new(), Parent::new());
    let mut on_http1 = dialogues
        .begin(
            &[until(HEAD_END), hang()],
            &[send(get_traced("/silence", &one)), hang()],
        )
        .unwrap();
    // The next server can listen on the same port when this one has accepted.
    on_http1.wait_server(1).unwrap();
    let get = frames::get_traced(1, "/silence", &two);
    let on_http2 = dialogues
        .begin(
            &[until("/silence"), hang()],
            &[send(frames::preface()), send(get), hang()],
        )
        .unwrap();
    std::thread::sleep(STILL_OPEN);
    let outcome = dialogues.finish().unwrap();
    drop((on_http1, on_http2));
    outcome.report().assert_nothing_lost();
    for parent in [&one, &two] {
        let exchange = &parent.exchange(&outcome.traces);
        exchange.assert_attributes(&[
            ("error.type", ""),
            ("hopspan.closed_by", ""),
            ("hopspan.incomplete", "response"),
            ("http.response.status_code", ""),
        ]);
        assert!(!exchange.is_error(), "{exchange:#?}");
        let lasted = Duration::from_nanos(exchange.duration_ns());
        assert!(
            lasted >= RESPONSE_TIMEOUT && lasted < STILL_OPEN,
            "{lasted:?}"
        );
    }
}

/// A long poll: nothing passes between the request and its answer.
#[test]
fn a_late_answer_within_the_limit_is_no_timeout() {
    const LIMIT_S: &str = "10";
    const LATE: Duration = Duration::from_secs(6);
    if hopspan_lab::skip("a_late_answer_within_the_limit_is_no_timeout") {
        return;
    }
    let arguments = ["--response-timeout", LIMIT_S];
    let dialogues = DialogueFixture::start_with("long-poll", &arguments).unwrap();
    let parent = Parent::new();
    let server = [until(HEAD_END), pause(LATE), send(OK), end()];
    let client = [send(get_traced("/poll", &parent)), until("ok")];
    dialogues.play(&server, &client).unwrap();
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    let exchange = &parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("http.response.status_code", "200"),
        ("error.type", ""),
        ("hopspan.incomplete", ""),
    ]);
    assert_legs(parent.trace(&outcome.traces), exchange, true);
    let lasted = Duration::from_nanos(exchange.duration_ns());
    assert!((LATE..LATE + Duration::from_secs(1)).contains(&lasted));
}

/// A request that never arrives, though TCP sends it several times.
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
    // The step `end` fails when the connection times out.
    let client = dialogue.client.wait(TCP_LIMIT).unwrap();
    assert!(client.is_some_and(|status| !status.success()), "{client:?}");
    assert!(dialogue.client.log().contains("timed out"));
    drop(rule);
    let outcome = dialogues.finish_after_close().unwrap();
    drop(dialogue);
    outcome.report().assert_nothing_lost();
    let exchange = &parent.exchange(&outcome.traces);
    assert_eq!(exchange.attribute("error.type"), "timeout", "{exchange:#?}");
    assert_eq!(exchange.attribute("hopspan.closed_by"), "");
    let request = exchange.path("request");
    assert_eq!(request.attribute("hopspan.drop.hop"), "netfilter.forward");
    let retransmits: u32 = request
        .attribute("hopspan.tcp.retransmits")
        .parse()
        .unwrap();
    assert!((2..=5).contains(&retransmits), "{retransmits}");
}
