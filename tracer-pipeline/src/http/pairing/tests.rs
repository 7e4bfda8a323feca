//! Scripts of connections, and the exchanges that they must yield.

mod bodies;
mod conversations;
mod endings;
mod halves;
mod pipelining;
mod response_ends;
mod script;

use super::*;
use crate::http::{
    test_head::request_head,
    waiting_heads::{MAX_HEADS, WAIT_NS},
};
use script::check;

#[test]
fn keep_alive() {
    let losses = check(
        "> 100 1 /a
         r> 100
         < 1 200 200
         r< 1
         > 200 51 /b
         r> 200
         < 51 300 404
         r< 51",
        &["/a 200", "/b 404"],
    );
    assert_eq!(losses, Http1Losses::default());
}

#[test]
fn only_the_exchange_that_opened_the_connection_has_a_connect() {
    check(
        "s 99
         a 0
         > 100 1 /a
         r> 100
         < 1 200 200
         r< 1
         > 200 51 /b
         r> 200
         < 51 300 200
         r< 51",
        &["/a 200 connect", "/b 200"],
    );
}

/// TCP Fast Open. The builder's packets have 100 bytes.
#[test]
fn a_request_in_a_syn_has_the_connect() {
    // The server takes it, and has read it before the SYN-ACK arrives.
    check(
        "st 99 1 /a
         r> 100
         a 0 200
         < 1 200 200
         r< 1
         > 200 40 /b
         r> 200
         < 40 300 200
         r< 40",
        &["/a 200 connect", "/b 200"],
    );
    // The server refuses it, and TCP sends it again.
    let losses = check(
        "st 99 0 /a
         a 0 100
         > 100 1 /a
         r> 100
         < 1 200 200
         r< 1",
        &["/a 200 connect retransmits=1"],
    );
    assert_eq!(losses.heads_unmatched, 0);
}

#[test]
fn a_pooled_connection_has_no_connect() {
    check(
        "s 99
         a 0
         at 5000000000
         > 100 1 /a
         r> 100
         < 1 200 200
         r< 1",
        &["/a 200"],
    );
}

#[test]
fn a_syn_that_was_sent_again_still_opens_the_connection() {
    check(
        "sd 99
         s 99
         a 0
         > 100 1 /a
         r> 100
         < 1 200 200
         r< 1",
        &["/a 200 connect"],
    );
}

#[test]
fn a_retransmitted_request_is_one_exchange() {
    check(
        ">d 100 1 /a
         > 100 1 /a
         r> 100
         < 1 200 200
         r< 1",
        &["/a 200 retransmits=1"],
    );
    // The first copy arrived after all.
    check(
        "> 100 1 /a
         > 100 1 /a
         r> 100
         < 1 200 200
         r< 1",
        &["/a 200 retransmits=1"],
    );
}

#[test]
fn a_retransmitted_response_is_one_exchange() {
    check(
        "> 100 1 /a
         r> 100
         <d 1 200 200
         < 1 200 200
         r< 1",
        &["/a 200 retransmits=1"],
    );
}

#[test]
fn a_lost_request_leaves_its_response_alone() {
    let losses = check(
        "< 1 200 200
         r< 1
         > 200 51 /b
         r> 200
         < 51 300 201
         r< 51",
        &["/b 201"],
    );
    assert_eq!(losses.responses_unmatched, 1);
}

#[test]
fn what_looks_like_a_head_in_a_body_is_no_exchange() {
    let losses = check(
        "> 100 1 /a
         r> 100
         >j 9000 1
         r> 9000
         < 1 10000 200
         <j 500 10000
         r< 500",
        &["/a 200"],
    );
    assert_eq!(losses.journeys_without_head, 2);
}

#[test]
fn exchanges_expire() {
    check(
        "> 100 1 /unanswered
         r> 100
         expire 599000000000
         expire 2000000000",
        &["/unanswered unanswered"],
    );
    check(
        "> 100 1 /unread
         r> 100
         < 1 200 200
         expire 29000000000
         expire 2000000000",
        &["/unread 200 unread"],
    );
    check(
        "> 100 1 /forgotten
         forget",
        &["/forgotten unanswered unread"],
    );
}

#[test]
fn heads_are_bounded_and_expire() {
    let mut pairing = Http1Pairing::default();
    let head = |seq: u32| Head {
        seq,
        ..request_head(b"GET / HTTP/1.1\r\n\r\n")
    };
    for seq in 0..=MAX_HEADS as u32 {
        pairing.head(&head(seq), &mut Handshakes::default(), &mut |_| {});
    }
    assert_eq!(pairing.losses().heads_refused, 1);
    pairing.expire(WAIT_NS, &mut |_| {});
    assert_eq!(pairing.losses().heads_unmatched, MAX_HEADS as u64);
    pairing.head(&head(1), &mut Handshakes::default(), &mut |_| {});
    assert_eq!(pairing.losses().heads_refused, 1);
}

#[test]
fn open_exchanges_are_bounded() {
    let full = Http1Pairing {
        open: MAX_OPEN - 1,
        ..Http1Pairing::default()
    };
    let losses = script::check_with(
        full,
        "> 100 1 /a
         > 200 1 /b
         r> 100
         < 1 200 200
         r< 1
         > 300 51 /c
         r> 300
         < 51 400 201",
        // Of /b, which was sent before the response to /a, none was seen.
        &["/a 200", "/c unanswered"],
    );
    assert_eq!(losses.requests_refused, 1);
}
