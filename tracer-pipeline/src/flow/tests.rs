//! Journeys find their connection, reads find their messages, and what is idle is forgotten.

use tracer_common::{journey::End, message::Message, remote::REMOTE};

use super::*;
use crate::decode::Tuple;
use crate::flow::connection::MAX_UNREAD;

const CLIENT: u64 = 7;
const SERVER: u64 = 9;

fn journey(message: Message, end: End, seq: u32) -> Journey {
    let client = "10.244.0.2:40000".parse().unwrap();
    let server = "10.244.0.3:8081".parse().unwrap();
    let from_client = matches!(message, Message::Syn | Message::Request);
    let (sender, receiver) = if from_client {
        (CLIENT, SERVER)
    } else {
        (SERVER, CLIENT)
    };
    let sent = Tuple {
        source: client,
        destination: server,
    };
    Journey {
        message,
        end,
        start_ns: 1_000 + u64::from(seq),
        sender_cookie: sender,
        receiver_cookie: if end == End::Socket { receiver } else { 0 },
        sender_cgroup: 0,
        receiver_cgroup: 0,
        seq,
        ack: 0,
        payload_bytes: 100,
        drop_reason: None,
        sent: if from_client { sent } else { sent.reversed() },
        received: None,
        conntrack: None,
        stamps: Vec::new(),
        stamps_cut: false,
        head_lost: false,
        behind_left_out: false,
    }
}

/// The one event that a journey makes, if it makes any.
fn place(flow: &mut Flow, journey: Journey) -> Option<Event> {
    let mut events = Vec::new();
    flow.journey(journey, &mut |event| events.push(event));
    assert!(events.len() < 2, "{events:?}");
    events.pop()
}

/// The events of a read.
fn taken_out(flow: &mut Flow, read: Read) -> Vec<Event> {
    let mut events = Vec::new();
    flow.read(read, &mut |event| events.push(event));
    events
}

fn read(cookie: u64, read_seq: u32) -> Read {
    Read {
        cookie,
        read_seq,
        at_ns: 5_000,
        tgid: None,
    }
}

/// The sequence numbers of the messages that a read took.
fn taken(events: &[Event]) -> Vec<(bool, u32)> {
    events
        .iter()
        .map(|event| match event.kind {
            EventKind::RequestRead { seq, .. } => (true, seq),
            EventKind::ResponseRead { seq, .. } => (false, seq),
            ref other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn both_directions_are_one_connection() {
    let mut flow = Flow::default();
    let request = place(&mut flow, journey(Message::Request, End::Socket, 1)).unwrap();
    let response = place(&mut flow, journey(Message::Response, End::Socket, 1)).unwrap();
    assert_eq!(request.connection, response.connection);
    assert_eq!(flow.connections(), 1);
}

#[test]
fn a_read_takes_the_messages_before_it_and_no_other() {
    let mut flow = Flow::default();
    for seq in [100, 200, 300] {
        place(&mut flow, journey(Message::Request, End::Socket, seq));
    }
    place(&mut flow, journey(Message::Response, End::Socket, 50));
    assert_eq!(
        taken(&taken_out(&mut flow, read(SERVER, 300))),
        [(true, 100), (true, 200)]
    );
    assert_eq!(taken(&taken_out(&mut flow, read(SERVER, 300))), []);
    assert_eq!(
        taken(&taken_out(&mut flow, read(SERVER, 301))),
        [(true, 300)]
    );
    assert_eq!(
        taken(&taken_out(&mut flow, read(CLIENT, 60))),
        [(false, 50)]
    );
}

#[test]
fn a_dropped_response_finds_its_client_by_the_server_socket() {
    let mut flow = Flow::default();
    assert!(place(&mut flow, journey(Message::Response, End::Dropped, 1)).is_none());
    assert_eq!(flow.losses().journeys_unplaced, 1);
    let request = place(&mut flow, journey(Message::Request, End::Socket, 1)).unwrap();
    let response = place(&mut flow, journey(Message::Response, End::Dropped, 1)).unwrap();
    assert_eq!(request.connection, response.connection);
}

#[test]
fn idle_connections_are_forgotten_and_busy_ones_kept() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Request, End::Socket, 1));
    assert_eq!(flow.expire(IDLE_NS).len(), 0);
    assert_eq!(flow.expire(IDLE_NS * 2).len(), 1);
    assert_eq!(flow.connections(), 0);
    assert!(flow.client_of_server.is_empty());
    assert_eq!(taken_out(&mut flow, read(SERVER, 10)).len(), 0);
}

#[test]
fn unread_messages_are_bounded() {
    let mut flow = Flow::default();
    for seq in 0..10_000 {
        place(&mut flow, journey(Message::Request, End::Socket, seq));
    }
    assert_eq!(taken_out(&mut flow, read(SERVER, 20_000)).len(), MAX_UNREAD);
}

#[test]
fn fragments_keep_their_order_when_their_connection_becomes_known() {
    let fragment = |seq: u32| Fragment {
        start_ns: 0,
        sender_cookie: SERVER,
        packet_seq: seq,
        seq,
        starts_frame: true,
        cut: false,
        lost_before: false,
        recognised: true,
        sent: journey(Message::Response, End::Socket, 0).sent,
        bytes: bytes::Bytes::new(),
    };
    let mut flow = Flow::default();
    let mut placed = Vec::new();
    let mut place = |event: Event| match event.kind {
        EventKind::Fragment { side, fragment } => placed.push((side, fragment.seq)),
        EventKind::Journey { .. } => {}
        other => panic!("{other:?}"),
    };
    // Nobody knows yet who has sent these.
    flow.fragment(fragment(1), &mut place);
    flow.fragment(fragment(2), &mut place);
    // The client's request tells who the server is, and the server goes on.
    flow.journey(journey(Message::Request, End::Socket, 1), &mut place);
    flow.fragment(fragment(3), &mut place);
    let expected = [1, 2, 3].map(|seq| (Side::Server, seq));
    assert_eq!(placed, expected);
}

fn close(cookie: u64, what: CloseKind, at_ns: u64) -> Close {
    Close {
        cookie,
        what,
        at_ns,
        error: None,
    }
}

/// What `expire` tells, in words.
fn told(flow: &mut Flow, now_ns: u64) -> Vec<String> {
    let events = flow.expire(now_ns).into_iter();
    events
        .map(|event| match event.kind {
            EventKind::Ended(ending) => format!("ended {:?}", ending.by),
            EventKind::ConnectFailed(failed) => format!("failed {:?}", failed.error),
            EventKind::Forgotten => "forgotten".to_owned(),
            kind => panic!("{kind:?}"),
        })
        .collect()
}

#[test]
fn a_connection_is_forgotten_when_its_client_has_closed() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Request, End::Socket, 100));
    flow.close(&close(CLIENT, CloseKind::PeerFinished, 2_000));
    assert!(
        told(&mut flow, 3_000).is_empty(),
        "something may be under way"
    );
    let later = 2_000 + ENDING_NS;
    assert_eq!(told(&mut flow, later), ["ended Some(Server)"]);
    assert!(told(&mut flow, later).is_empty(), "told once");
    flow.close(&close(SERVER, CloseKind::Closed, later));
    assert_eq!(flow.connections(), 1, "the client may still read");
    flow.close(&close(CLIENT, CloseKind::Closed, later));
    assert_eq!(told(&mut flow, later), ["ended Some(Server)", "forgotten"]);
    assert_eq!(flow.connections(), 0);
}

#[test]
fn sockets_of_no_connection_close_unheard() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Request, End::Socket, 100));
    flow.close(&close(77, CloseKind::Closed, 2_000));
    assert!(told(&mut flow, 2_000 + ENDING_NS).is_empty());
}

const REMOTE_CLIENT: u64 = REMOTE | 7;

/// A message of a client on another node, to a server on this one.
fn arrived(message: Message, seq: u32) -> Journey {
    Journey {
        sender_cookie: REMOTE_CLIENT,
        ..journey(message, End::Socket, seq)
    }
}

/// What is told when a journey is placed, in words.
fn placed(flow: &mut Flow, journey: Journey) -> Vec<String> {
    let mut events = Vec::new();
    flow.journey(journey, &mut |event| {
        events.push(match event.kind {
            EventKind::Journey { side, .. } => format!("{side:?}"),
            EventKind::Forgotten => "forgotten".to_owned(),
            kind => panic!("{kind:?}"),
        });
    });
    events
}

#[test]
fn what_leaves_finds_the_client_on_another_node() {
    let mut flow = Flow::default();
    assert_eq!(placed(&mut flow, arrived(Message::Syn, 1)), ["Client"]);
    // The listener answers, whom nobody else knows: the addresses tell.
    let mut syn_ack = journey(Message::SynAck, End::Left, 1);
    syn_ack.sender_cookie = 1000;
    flow.client_of_tuple.insert(syn_ack.sent, REMOTE_CLIENT);
    assert_eq!(placed(&mut flow, syn_ack), ["Server"]);
    assert_eq!(placed(&mut flow, arrived(Message::Request, 2)), ["Client"]);
    let response = journey(Message::Response, End::Left, 2);
    assert_eq!(placed(&mut flow, response), ["Server"]);
    assert_eq!(flow.connections(), 1);
}

/// There is no socket of the client's to tell the end.
#[test]
fn a_connection_from_another_node_ends_with_its_server() {
    let mut flow = Flow::default();
    place(&mut flow, arrived(Message::Request, 100));
    flow.close(&close(SERVER, CloseKind::Closed, 2_000));
    let later = 2_000 + ENDING_NS;
    assert_eq!(told(&mut flow, later), ["ended Some(Server)", "forgotten"]);
    assert_eq!(flow.connections(), 0);
}

#[test]
fn a_port_of_another_node_that_is_used_again_is_another_connection() {
    let mut flow = Flow::default();
    assert_eq!(placed(&mut flow, arrived(Message::Syn, 1)), ["Client"]);
    assert_eq!(
        placed(&mut flow, arrived(Message::Syn, 1)),
        ["Client"],
        "sent again"
    );
    assert_eq!(placed(&mut flow, arrived(Message::Request, 2)), ["Client"]);
    let again = placed(&mut flow, arrived(Message::Syn, 9_000));
    assert_eq!(again, ["forgotten", "Client"]);
    assert_eq!(flow.connections(), 1);
    assert!(flow.client_of_server.is_empty());
}

/// A port scan must not fill the table.
#[test]
fn a_handshake_from_another_node_that_nothing_follows_is_forgotten_soon() {
    let mut flow = Flow::default();
    place(&mut flow, arrived(Message::Syn, 1));
    assert!(told(&mut flow, UNUSED_NS).is_empty());
    assert_eq!(told(&mut flow, UNUSED_NS + 2_000), ["forgotten"]);
    place(&mut flow, arrived(Message::Request, 1));
    assert!(told(&mut flow, UNUSED_NS * 2).is_empty());
    place(&mut flow, journey(Message::Syn, End::Socket, 1));
    assert!(
        told(&mut flow, UNUSED_NS * 2).is_empty(),
        "a socket of this node will tell"
    );
}

#[test]
fn frames_of_a_server_on_another_node_find_their_connection() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Syn, End::Left, 1));
    let remote = REMOTE | 9;
    let mut syn_ack = journey(Message::SynAck, End::Socket, 1);
    syn_ack.sender_cookie = remote;
    assert_eq!(placed(&mut flow, syn_ack), ["Server"]);
    let mut headers = journey(Message::Headers, End::Socket, 2);
    headers.sender_cookie = remote;
    assert_eq!(placed(&mut flow, headers), ["Server"]);
    flow.close(&close(CLIENT, CloseKind::Closed, 5));
    flow.expire(5 + ENDING_NS);
    assert!(flow.client_of_server.is_empty() && flow.client_of_tuple.is_empty());
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
fn a_failed_connect_is_told_when_its_packets_have_arrived() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Syn, End::Dropped, 1));
    flow.connect_failed(failed(CLIENT, 2_000));
    // Of one whose packets nobody saw, no connection is known.
    flow.connect_failed(failed(77, 3_000));
    assert!(told(&mut flow, 2_999).is_empty());
    let expected = ["ended Some(Server)", "failed Some(111)", "forgotten"];
    assert_eq!(told(&mut flow, 2_000 + ENDING_NS), expected);
    assert_eq!(told(&mut flow, 3_000 + ENDING_NS), ["failed Some(111)"]);
    assert_eq!(flow.connections(), 0);
}

/// A socket keeps its cookie; what it does next is another connection.
#[test]
fn a_socket_that_tries_again_tells_its_failure_first() {
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
    // A packet of the attempt that failed, told late.
    flow.journey(journey(Message::Syn, End::Dropped, 500), &mut emit);
    flow.journey(journey(Message::Syn, End::Socket, 5_000), &mut emit);
    assert_eq!(kinds, [500, CLIENT, 5_000]);
    assert_eq!(told(&mut flow, 2_000 + ENDING_NS), ["failed Some(111)"]);
    assert_eq!(flow.connections(), 1, "it lives");
}

#[test]
fn failed_connects_are_bounded() {
    let mut flow = Flow::default();
    for cookie in 100..10_000 {
        flow.connect_failed(failed(cookie, 2_000));
    }
    let held = told(&mut flow, 2_000 + ENDING_NS).len() as u64;
    assert_eq!(held + flow.losses().failed_connects_refused, 9_900);
    assert!(flow.losses().failed_connects_refused > 0);
}
