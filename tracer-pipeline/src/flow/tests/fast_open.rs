//! The message in a SYN follows the SYN, or the SYN-ACK.

use super::*;

const SYN_SEQ: u32 = 99;
const PAYLOAD_BYTES: u32 = 100;

/// A SYN with a request. `taken`: by a socket of this node.
fn syn(end: End, taken: bool) -> Journey {
    JourneyBuilder::new(Message::Syn)
        .in_syn(Message::Request)
        .seq(SYN_SEQ)
        .ack(if taken { 501 } else { 0 })
        .payload_bytes(PAYLOAD_BYTES)
        .end(end)
        .build()
}

fn syn_ack(ack: u32) -> Journey {
    JourneyBuilder::new(Message::SynAck)
        .seq(500)
        .ack(ack)
        .build()
}

/// The messages that are placed for each journey, with their sequence and acknowledgment numbers
/// and ends.
fn check(journeys: impl IntoIterator<Item = Journey>, expected: &[&[&str]]) {
    let mut flow = Flow::default();
    let placed: Vec<Vec<String>> = journeys
        .into_iter()
        .map(|journey| {
            let mut placed = Vec::new();
            flow.journey(journey, &mut |event| match event.kind {
                EventKind::Journey { journey, .. } => {
                    let Journey {
                        message,
                        seq,
                        ack,
                        end,
                        ..
                    } = journey;
                    placed.push(format!("{message:?} {seq} {ack} {end:?}"));
                }
                kind => panic!("{kind:?}"),
            });
            placed
        })
        .collect();
    assert_eq!(placed, expected);
}

#[test]
fn a_taken_request_follows_its_syn() {
    check(
        [syn(End::Socket, true), syn_ack(200)],
        &[
            &["Syn 99 501 Socket", "Request 100 501 Socket"],
            &["SynAck 500 200 Socket"],
        ],
    );
    let mut flow = Flow::default();
    flow.journey(syn(End::Socket, true), &mut |_| ());
    let read = read_events(&mut flow, read(SERVER, 200));
    assert_eq!(read_messages(&read), [(true, 100)]);
}

#[test]
fn a_request_waits_for_the_syn_ack_that_shows_what_became_of_it() {
    for (end, ack, expected) in [
        (End::Socket, 100, "Request 100 501 Expired"),
        (End::Left, 100, "Request 100 501 Left"),
        (End::Left, 200, "Request 100 501 Left"),
        (End::Dropped, 100, "Request 100 501 Dropped"),
    ] {
        let syn_placed = format!("Syn 99 0 {end:?}");
        let answer = format!("SynAck 500 {ack} Socket");
        check(
            [syn(end, false), syn_ack(ack), syn_ack(ack)],
            &[&[&syn_placed], &[&answer, expected], &[&answer]],
        );
    }
}

/// The SYN without the request, which TCP sends next, does not replace the request.
#[test]
fn a_syn_that_is_sent_again_leaves_the_request() {
    let again = JourneyBuilder::new(Message::Syn).seq(SYN_SEQ).build();
    check(
        [syn(End::Dropped, false), again, syn_ack(100)],
        &[
            &["Syn 99 0 Dropped"],
            &["Syn 99 0 Socket"],
            &["SynAck 500 100 Socket", "Request 100 501 Dropped"],
        ],
    );
}
