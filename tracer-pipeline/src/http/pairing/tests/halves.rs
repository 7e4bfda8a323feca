//! Responses to a client on another node, whose reads this node does not see.

use super::script::check;

#[test]
fn a_response_that_has_left_ends_its_exchange_after_a_second() {
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
fn the_next_request_acknowledges_the_response() {
    check(
        "> 100 1 /a
         r> 100
         <l 1 200 200
         > 200 101 /b
         <l 101 300 204
         forget",
        &["/a 200 unread", "/b 204 unread"],
    );
    // The next request does not acknowledge the response.
    check(
        "> 100 1 /a
         <l 1 200 200
         > 200 1 /b",
        &[],
    );
}

#[test]
fn a_response_that_leaves_twice_is_one_response() {
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

/// A retransmission that is dropped does not replace the copy that left the node before it.
#[test]
fn the_last_copy_that_left_counts() {
    check(
        "> 100 1 /a
         r> 100
         <l 1 200 200
         <d 1 200 200
         expire 1100000000",
        &["/a 200 retransmits=1 unread"],
    );
}
