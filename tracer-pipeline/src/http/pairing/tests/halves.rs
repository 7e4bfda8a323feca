//! Responses that go on to a client on another node, whose reads nobody here sees.

use super::story::check;

#[test]
fn an_answer_that_has_left_ends_its_exchange_in_a_moment() {
    check(
        "> 100 1 /a
         r> 100
         <l 1 200 200
         expire 500000000",
        &[],
    );
    check(
        "> 100 1 /a
         r> 100
         <l 1 200 200
         expire 1100000000",
        &["/a 200 unread"],
    );
}

#[test]
fn the_next_request_shows_that_the_answer_was_received() {
    check(
        "> 100 1 /a
         r> 100
         <l 1 200 200
         > 200 101 /b
         <l 101 300 204
         forget",
        &["/a 200 unread", "/b 204 unread"],
    );
    // It was sent before the answer had come.
    check(
        "> 100 1 /a
         <l 1 200 200
         > 200 1 /b",
        &[],
    );
}

#[test]
fn an_answer_that_leaves_twice_is_one_answer() {
    let losses = check(
        "> 100 1 /a
         r> 100
         <l 1 200 200
         <l 1 200 200
         expire 1100000000",
        &["/a 200 retransmits=1 unread"],
    );
    assert_eq!(
        (losses.responses_unmatched, losses.requests_unanswered),
        (0, 0)
    );
}

/// What was dropped on its way to the uplink did not leave, though TCP sent it after one that had.
#[test]
fn the_last_that_left_is_the_one_that_counts() {
    check(
        "> 100 1 /a
         r> 100
         <l 1 200 200
         <d 1 200 200
         expire 1100000000",
        &["/a 200 retransmits=1 unread"],
    );
}
