//! Assignment of journeys, fragments and reads to connections, and removal of connections.

mod ends;
mod fast_open;

use tracer_common::{journey::End, message::Message, remote::REMOTE};

use super::*;
use crate::decode::JourneyBuilder;
use crate::flow::connection::MAX_UNREAD;

const CLIENT: u64 = JourneyBuilder::CLIENT_COOKIE;
const SERVER: u64 = JourneyBuilder::SERVER_COOKIE;

fn journey(message: Message, end: End, seq: u32) -> Journey {
    let builder = JourneyBuilder::new(message);
    let builder = match message {
        Message::Headers => builder.from_server(),
        _ => builder,
    };
    let start_ns = 1_000 + u64::from(seq);
    builder.end(end).seq(seq).start_ns(start_ns).build()
}

/// A whole frame of a server's socket.
pub(super) fn fragment(sender_cookie: u64, seq: u32) -> Fragment {
    Fragment {
        start_ns: u64::from(seq),
        sender_cookie,
        packet_seq: seq,
        seq,
        starts_frame: true,
        cut: false,
        lost_before: false,
        recognised: false,
        sent: JourneyBuilder::client_to_server().reversed(),
        bytes: bytes::Bytes::new(),
    }
}

/// The event of a journey, if there is one.
fn place(flow: &mut Flow, journey: Journey) -> Option<Event> {
    let mut events = Vec::new();
    flow.journey(journey, &mut |event| events.push(event));
    assert!(events.len() < 2, "{events:?}");
    events.pop()
}

/// The events of a read.
fn read_events(flow: &mut Flow, read: Read) -> Vec<Event> {
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
        new_from: None,
    }
}

/// Whether each read message is a request, and its sequence number.
fn read_messages(events: &[Event]) -> Vec<(bool, u32)> {
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
        read_messages(&read_events(&mut flow, read(SERVER, 300))),
        [(true, 100), (true, 200)]
    );
    assert_eq!(
        read_messages(&read_events(&mut flow, read(SERVER, 300))),
        []
    );
    assert_eq!(
        read_messages(&read_events(&mut flow, read(SERVER, 301))),
        [(true, 300)]
    );
    assert_eq!(
        read_messages(&read_events(&mut flow, read(CLIENT, 60))),
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

/// A packet that is dropped before conntrack has seen it has no translation of its own.
#[test]
fn a_packet_has_the_translation_of_its_connection() {
    let mut flow = Flow::default();
    let response = journey(Message::Response, End::Dropped, 1);
    assert_eq!(flow.translation(&response), None);
    let original = JourneyBuilder::client_to_server();
    let known = Conntrack {
        original,
        reply: Tuple {
            source: "10.244.0.7:8080".parse().unwrap(),
            ..original.reversed()
        },
    };
    let request = JourneyBuilder::new(Message::Request).conntrack(known);
    place(&mut flow, request.build());
    assert_eq!(flow.translation(&response), Some(known));
}

#[test]
fn idle_connections_are_removed() {
    let mut flow = Flow::default();
    place(&mut flow, journey(Message::Request, End::Socket, 1));
    assert_eq!(flow.expire(IDLE_NS).len(), 0);
    assert_eq!(flow.expire(IDLE_NS * 2).len(), 1);
    assert_eq!(flow.connections(), 0);
    assert!(flow.client_of_server.is_empty());
    assert_eq!(read_events(&mut flow, read(SERVER, 10)).len(), 0);
}

#[test]
fn unread_messages_are_bounded() {
    let mut flow = Flow::default();
    for seq in 0..10_000 {
        place(&mut flow, journey(Message::Request, End::Socket, seq));
    }
    assert_eq!(
        read_events(&mut flow, read(SERVER, 20_000)).len(),
        MAX_UNREAD
    );
}

/// Of all connections together, too; a connection gives up its own oldest ones.
#[test]
fn unread_messages_of_all_connections_are_bounded() {
    let mut unread = std::collections::VecDeque::new();
    let mut all = MAX_UNREAD_OF_ALL - 2;
    let discarded: u64 = (0..5)
        .map(|seq| push_unread(&mut unread, &mut all, seq))
        .sum();
    assert_eq!((discarded, all), (3, MAX_UNREAD_OF_ALL));
    assert_eq!(unread, [3, 4]);
    let mut other = std::collections::VecDeque::new();
    assert_eq!(push_unread(&mut other, &mut all, 7), 1);
    assert!(other.is_empty());

    let mut flow = Flow::default();
    for seq in 0..1_000 {
        place(&mut flow, journey(Message::Request, End::Socket, seq));
    }
    assert_eq!(flow.unread().0, 1_000);
    read_events(&mut flow, read(SERVER, 990));
    assert_eq!(flow.unread().0, 10);
    let capacity = flow
        .by_client
        .values()
        .map(|one| one.unread_requests.capacity());
    assert!(capacity.sum::<usize>() <= 40);
    flow.finish();
    assert_eq!(flow.unread().0, 0);
}

#[test]
fn fragments_keep_their_order_when_their_connection_becomes_known() {
    let mut flow = Flow::default();
    let mut placed = Vec::new();
    let mut place = |event: Event| match event.kind {
        EventKind::Fragment { side, fragment } => placed.push((side, fragment.seq)),
        EventKind::Journey { .. } => {}
        other => panic!("{other:?}"),
    };
    // The sender of these fragments is unknown.
    flow.fragment(fragment(SERVER, 1), &mut place);
    flow.fragment(fragment(SERVER, 2), &mut place);
    // The client's request makes the server's socket known.
    flow.journey(journey(Message::Request, End::Socket, 1), &mut place);
    flow.fragment(fragment(SERVER, 3), &mut place);
    let expected = [1, 2, 3].map(|seq| (Side::Server, seq));
    assert_eq!(placed, expected);
}

fn close(cookie: u64, what: CloseKind, at_ns: u64) -> Close {
    Close {
        cookie,
        what,
        at_ns,
        error: None,
        received_seq: None,
        sent_seq: None,
        last_loss_ns: 0,
    }
}

/// The events of `expire` as text.
fn expired(flow: &mut Flow, now_ns: u64) -> Vec<String> {
    let events = flow.expire(now_ns).into_iter();
    events
        .map(|event| match event.kind {
            EventKind::Ended { ending, .. } => format!("ended {:?}", ending.by),
            EventKind::ConnectFailed(failed) => format!("failed {:?}", failed.error),
            EventKind::Forgotten => "forgotten".to_owned(),
            kind => panic!("{kind:?}"),
        })
        .collect()
}

const REMOTE_CLIENT: u64 = REMOTE | 7;

/// A message of a client on another node, to a server on this one.
fn arrived(message: Message, seq: u32) -> Journey {
    Journey {
        sender_cookie: REMOTE_CLIENT,
        ..journey(message, End::Socket, seq)
    }
}

/// The events of a journey as text.
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
fn a_packet_that_leaves_finds_its_client_on_another_node() {
    let mut flow = Flow::default();
    assert_eq!(placed(&mut flow, arrived(Message::Syn, 1)), ["Client"]);
    // The listener's cookie is unknown; the tuple leads to the connection.
    let mut syn_ack = journey(Message::SynAck, End::Left, 1);
    syn_ack.sender_cookie = 1000;
    flow.client_of_tuple.insert(syn_ack.sent, REMOTE_CLIENT);
    assert_eq!(placed(&mut flow, syn_ack), ["Server"]);
    assert_eq!(placed(&mut flow, arrived(Message::Request, 2)), ["Client"]);
    let response = journey(Message::Response, End::Left, 2);
    assert_eq!(placed(&mut flow, response), ["Server"]);
    assert_eq!(flow.connections(), 1);
}

/// The client's socket is on another node, so the server's close is the end.
#[test]
fn a_connection_from_another_node_ends_with_its_server() {
    let mut flow = Flow::default();
    place(&mut flow, arrived(Message::Request, 100));
    flow.close(&close(SERVER, CloseKind::Closed, 2_000));
    let later = 2_000 + ENDING_NS;
    assert_eq!(
        expired(&mut flow, later),
        ["ended Some(Server)", "forgotten"]
    );
    assert_eq!(flow.connections(), 0);
}

#[test]
fn a_reused_port_of_another_node_is_a_new_connection() {
    let mut flow = Flow::default();
    assert_eq!(placed(&mut flow, arrived(Message::Syn, 1)), ["Client"]);
    assert_eq!(
        placed(&mut flow, arrived(Message::Syn, 1)),
        ["Client"],
        "retransmission"
    );
    assert_eq!(placed(&mut flow, arrived(Message::Request, 2)), ["Client"]);
    let again = placed(&mut flow, arrived(Message::Syn, 9_000));
    assert_eq!(again, ["forgotten", "Client"]);
    assert_eq!(flow.connections(), 1);
    assert!(flow.client_of_server.is_empty());
}

/// A port scan must not fill the table.
#[test]
fn an_unused_connection_from_another_node_is_removed_early() {
    let mut flow = Flow::default();
    place(&mut flow, arrived(Message::Syn, 1));
    assert!(expired(&mut flow, UNUSED_NS).is_empty());
    assert_eq!(expired(&mut flow, UNUSED_NS + 2_000), ["forgotten"]);
    place(&mut flow, arrived(Message::Request, 1));
    assert!(expired(&mut flow, UNUSED_NS * 2).is_empty());
    place(&mut flow, journey(Message::Syn, End::Socket, 1));
    assert!(
        expired(&mut flow, UNUSED_NS * 2).is_empty(),
        "a client of this node reports its close"
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
