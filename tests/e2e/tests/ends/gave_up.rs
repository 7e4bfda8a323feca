//! A client that gives up while its packets are lost, and a server that is killed while its client
//! goes on sending. In both the kernel's sockets outlive what the applications did: an orphaned
//! socket sends its last bytes for minutes, and a RST follows the FIN.

use std::{fs, time::Duration};

use hopspan_e2e::{
    Dialogue, DialogueFixture, DropRule, Dropped, Outcome, Parent, Step, end, frames, hang,
    http1::{HEAD_END, OK, get_traced, request, traceparent},
    insert_rule, pause, send, until, wait_for_steps,
};
use hopspan_lab::Pod;

use super::unanswered;

/// How long the client waits for its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The exchange is exported so soon after the client has given up.
const REPORTED: Duration = Duration::from_secs(2);
const ENDED: Duration = Duration::from_secs(30);
/// Enough to insert a rule.
const RULE_TIME: Duration = Duration::from_secs(2);
/// How often the client sends after its request.
const SENDS: usize = 10;
/// Long beside what a kill takes, so that the server has read all that was sent when it dies.
const SEND_EVERY: Duration = Duration::from_millis(300);

/// Whether the pod has a socket that has sent a FIN without an ACK for it.
fn has_orphan(pod: &Pod) -> bool {
    /// `st` of /proc/net/tcp (kernel: TCP_FIN_WAIT1 in include/net/tcp_states.h).
    const FIN_WAIT1: &str = "04";
    let sockets = pod
        .within(|| fs::read_to_string("/proc/thread-self/net/tcp"))
        .unwrap()
        .unwrap();
    sockets
        .lines()
        .any(|socket| socket.split_whitespace().nth(3) == Some(FIN_WAIT1))
}

/// Waits until the client has given up. Ends the agent while the client's socket still lives.
fn give_up(dialogues: DialogueFixture, mut dialogue: Dialogue) -> Outcome {
    let client = dialogue.client.wait(ENDED).unwrap();
    assert!(client.is_some_and(|status| status.success()), "{client:?}");
    std::thread::sleep(REPORTED);
    assert!(has_orphan(&dialogues.client), "the socket is gone");
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    outcome
}

/// Checks that the client closed the connection when its patience was over.
fn assert_given_up(outcome: &Outcome, parent: &Parent) {
    let exchange = &parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("error.type", "connection_closed"),
        ("hopspan.closed_by", "client"),
        ("http.response.status_code", ""),
    ]);
    assert!(exchange.is_error(), "{exchange:#?}");
    let lasted = Duration::from_nanos(exchange.duration_ns());
    assert!(
        (PATIENCE..PATIENCE + Duration::from_millis(500)).contains(&lasted),
        "{lasted:?}"
    );
}

/// Every packet with the request is lost; its FIN arrives, out of order.
#[test]
fn a_client_gives_up_on_a_lost_request() {
    if hopspan_lab::skip("a_client_gives_up_on_a_lost_request") {
        return;
    }
    let dialogues = DialogueFixture::start("gave-up").unwrap();
    let _rule = DropRule::insert(dialogues.node(), "/never", Dropped::All).unwrap();
    let parent = Parent::new();
    let dialogue = dialogues
        .begin(
            &[hang()],
            &[send(get_traced("/never", &parent)), pause(PATIENCE)],
        )
        .unwrap();
    let outcome = give_up(dialogues, dialogue);
    assert_given_up(&outcome, &parent);
    let request = parent.exchange(&outcome.traces).path("request");
    request.assert_attributes(&[("hopspan.drop.hop", "netfilter.forward")]);
}

/// Every packet to the server is lost from the second request on.
#[test]
fn a_client_gives_up_on_a_lost_path() {
    if hopspan_lab::skip("a_client_gives_up_on_a_lost_path") {
        return;
    }
    let dialogues = DialogueFixture::start("gave-up-path").unwrap();
    let (first, second) = (Parent::new(), Parent::new());
    let mut dialogue = dialogues
        .begin(
            &[until(HEAD_END), send(OK), hang()],
            &[
                send(get_traced("/first", &first)),
                until("ok"),
                pause(RULE_TIME),
                send(get_traced("/second", &second)),
                pause(PATIENCE),
            ],
        )
        .unwrap();
    wait_for_steps(&mut dialogue.client, 2).unwrap();
    insert_rule(dialogues.node(), "FORWARD -p tcp --dport 8080 -j DROP").unwrap();
    assert!(
        !dialogue.client.log().contains("did step 2\n"),
        "inserting the rule took longer than {RULE_TIME:?}"
    );
    let outcome = give_up(dialogues, dialogue);
    first
        .exchange(&outcome.traces)
        .assert_attributes(&[("http.response.status_code", "200"), ("error.type", "")]);
    assert_given_up(&outcome, &second);
}

/// Kills the server when it has read the first `more` after its steps. The client goes on sending.
fn kill_server(label: &str, server: &[Step], mut client: Vec<Step>, more: &[u8]) -> Outcome {
    let dialogues = DialogueFixture::start(label).unwrap();
    for _ in 0..SENDS {
        client.extend([pause(SEND_EVERY), send(more)]);
    }
    // close(2) sends a FIN, not a RST, if nothing is unread.
    let reading = [server, &[until(more), end()]].concat();
    let mut dialogue = dialogues.begin(&reading, &client).unwrap();
    dialogue.wait_server(reading.len() - 1).unwrap();
    dialogue.server.kill().unwrap();
    let ended = dialogue.client.wait(ENDED).unwrap();
    // The RST ends its sending.
    assert!(ended.is_some_and(|status| !status.success()), "{ended:?}");
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    outcome
}

#[test]
fn a_server_is_killed_during_an_upload() {
    if hopspan_lab::skip("a_server_is_killed_during_an_upload") {
        return;
    }
    let parent = Parent::new();
    let lines = format!("Content-Length: 1000000\r\n{}", traceparent(&parent));
    let outcome = kill_server(
        "killed-upload",
        &[until(HEAD_END)],
        vec![send(request("POST", "/upload", &lines))],
        b"more",
    );
    unanswered::assert(&outcome.traces, &parent, "connection_closed", "server");
}

/// As a gRPC client does that streams.
#[test]
fn a_server_is_killed_during_a_stream() {
    if hopspan_lab::skip("a_server_is_killed_during_a_stream") {
        return;
    }
    let parent = Parent::new();
    let post = frames::post_traced(1, "/stream", &parent);
    let outcome = kill_server(
        "killed-stream",
        &[
            until(frames::settings()),
            send(frames::settings()),
            until("/stream"),
        ],
        vec![
            send(frames::preface()),
            until(frames::settings()),
            send(post),
        ],
        &frames::data(1, b"more", false),
    );
    unanswered::assert(&outcome.traces, &parent, "connection_closed", "server");
}
