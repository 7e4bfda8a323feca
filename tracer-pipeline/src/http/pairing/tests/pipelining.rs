//! Clients that send requests without waiting for responses.

use super::{super::connection, script::check};

#[test]
fn pipelined_requests_are_answered_in_order() {
    check(
        "> 100 1 /a
         > 128 1 /b
         > 156 1 /c
         r> 156
         < 1 184 200
         < 39 184 201
         r< 39
         < 77 184 202
         r< 77",
        &["/a 200", "/b 201", "/c 202"],
    );
}

#[test]
fn a_pipelined_request_that_was_not_seen_shifts_no_response() {
    // The record of /b, between 128 and 156, is lost.
    let losses = check(
        "> 100 1 /a
         > 156 1 /c
         r> 156
         < 1 184 200
         r< 1
         < 39 184 201
         < 77 184 202",
        &["/a 200", "/c unanswered"],
    );
    assert_eq!(losses.responses_unsure, 1);
}

#[test]
fn a_pipelined_request_may_be_overtaken() {
    check(
        "> 100 1 /a
         > 156 1 /c
         > 128 1 /b
         r> 156
         < 1 184 200
         r< 1
         < 39 184 201
         r< 39
         < 77 184 202
         r< 77",
        &["/a 200", "/b 201", "/c 202"],
    );
}

/// The client has received an interim response, and not the last one.
#[test]
fn a_request_may_follow_an_interim_response() {
    check(
        "> 100 1 /a
         r> 100
         < 1 128 103
         r< 1
         > 128 39 /b
         r> 128
         < 39 156 200
         r< 39
         < 77 156 201
         r< 77",
        &["/a 200", "/b 201"],
    );
}

#[test]
fn pipelined_requests_in_one_packet() {
    // Each request head has 28 bytes here, each response head 38.
    check(
        "> 100 1 /a /b
         r> 100
         < 1 158 200 201
         r< 1",
        &["/a 200", "/b 201"],
    );
    check(
        "> 100 1 /a /b
         > 100 1 /a /b
         r> 100
         < 1 158 200
         < 39 158 201
         r< 39",
        &["/a 200 retransmits=1", "/b 201 retransmits=1"],
    );
}

#[test]
fn a_client_that_pipelines_without_end_is_bounded() {
    let mut script = String::new();
    for index in 0..2 * connection::MAX_PENDING {
        script += &format!("> {} 1 /{index}\n", 100 + index * 100);
    }
    let expected: Vec<String> = (0..connection::MAX_PENDING)
        .map(|index| format!("/{index} unanswered unread"))
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(&script, &expected);
}
