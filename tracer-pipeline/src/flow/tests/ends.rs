//! Ends of connections, and connects that fail.

use super::*;

#[test]
fn a_connection_is_removed_when_its_client_has_closed() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Request, End::Socket, 100));
    flow.close(&close(CLIENT, CloseKind::PeerFinished, 2_000));
    assert!(
        expired(&mut flow, 3_000).is_empty(),
        "packets may be in flight"
    );
    let later = 2_000 + ENDING_NS;
    assert_eq!(expired(&mut flow, later), ["ended Some(Server)"]);
    assert!(expired(&mut flow, later).is_empty(), "reported once");
    flow.close(&close(SERVER, CloseKind::Closed, later));
    assert_eq!(flow.connections(), 1, "the client may still read");
    flow.close(&close(CLIENT, CloseKind::Closed, later));
    assert_eq!(
        expired(&mut flow, later),
        ["ended Some(Server)", "forgotten"]
    );
    assert_eq!(flow.connections(), 0);
}

/// The server is out of reach, so TCP keeps the closed socket and sends its bytes again and again.
#[test]
fn a_client_that_gives_up_ends_its_connection_before_tcp_does() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Request, End::Dropped, 100));
    flow.close(&close(CLIENT, CloseKind::Finished, 2_000));
    let later = 2_000 + ENDING_NS;
    assert_eq!(expired(&mut flow, later), ["ended Some(Client)"]);
    assert!(expired(&mut flow, later).is_empty(), "reported once");
    // A retransmission, or a request whose packet was under way.
    place(&mut flow, journey(Message::Request, End::Dropped, 100));
    assert_eq!(expired(&mut flow, later), ["ended Some(Client)"]);
    flow.close(&Close {
        error: Some(110),
        ..close(CLIENT, CloseKind::Closed, 100_000_000_000)
    });
    let expected = ["ended Some(Client)", "forgotten"];
    assert_eq!(expired(&mut flow, 100_000_000_000), expected);
}

/// The response may wait in the server's socket for a client that reads slowly.
#[test]
fn a_server_s_own_fin_ends_nothing() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Request, End::Socket, 100));
    flow.close(&close(SERVER, CloseKind::Finished, 2_000));
    assert!(expired(&mut flow, 2_000 + ENDING_NS).is_empty());
    flow.close(&close(CLIENT, CloseKind::PeerFinished, 5_000));
    assert_eq!(
        expired(&mut flow, 5_000 + ENDING_NS),
        ["ended Some(Server)"]
    );
}

#[test]
fn closes_of_unknown_sockets_are_ignored() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Request, End::Socket, 100));
    flow.close(&close(77, CloseKind::Closed, 2_000));
    assert!(expired(&mut flow, 2_000 + ENDING_NS).is_empty());
}

fn failed(cookie: u64, at_ns: u64) -> FailedConnect {
    FailedConnect {
        cookie,
        began_ns: at_ns - 10,
        at_ns,
        error: Some(111),
        tgid: 1,
        cgroup: 2,
        sent: journey(Message::Syn, End::Socket, 1).sent,
    }
}

#[test]
fn a_failed_connect_is_reported_after_its_packets() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Syn, End::Dropped, 1));
    flow.connect_failed(failed(CLIENT, 2_000));
    // A failed connect without packets has no connection.
    flow.connect_failed(failed(77, 3_000));
    assert!(expired(&mut flow, 2_999).is_empty());
    let expected = ["ended Some(Server)", "failed Some(111)", "forgotten"];
    assert_eq!(expired(&mut flow, 2_000 + ENDING_NS), expected);
    assert_eq!(expired(&mut flow, 3_000 + ENDING_NS), ["failed Some(111)"]);
    assert_eq!(flow.connections(), 0);
}

/// A socket keeps its cookie when it connects again.
#[test]
fn a_failure_is_reported_before_the_retry_of_its_socket() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Syn, End::Dropped, 1));
    flow.connect_failed(failed(CLIENT, 2_000));
    flow.connect_failed(failed(77, 2_000));
    let mut kinds = Vec::new();
    let mut emit = |event: Event| {
        kinds.push(match event.kind {
            EventKind::ConnectFailed(failed) => failed.cookie,
            EventKind::Journey { journey, .. } => u64::from(journey.seq),
            other => panic!("{other:?}"),
        });
    };
    // A late record of the failed attempt.
    flow.journey(journey(Message::Syn, End::Dropped, 500), &mut emit);
    flow.journey(journey(Message::Syn, End::Socket, 5_000), &mut emit);
    assert_eq!(kinds, [500, CLIENT, 5_000]);
    assert_eq!(expired(&mut flow, 2_000 + ENDING_NS), ["failed Some(111)"]);
    assert_eq!(flow.connections(), 1, "the new connection is kept");
}

#[test]
fn failed_connects_are_bounded() {
    let mut flow = Flow::default();
    for cookie in 100..10_000 {
        flow.connect_failed(failed(cookie, 2_000));
    }
    let held = expired(&mut flow, 2_000 + ENDING_NS).len() as u64;
    assert_eq!(held + flow.losses().failed_connects_refused, 9_900);
    assert!(flow.losses().failed_connects_refused > 0);
}
