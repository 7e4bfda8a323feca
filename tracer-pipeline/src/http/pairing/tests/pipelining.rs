//! Clients that send requests without waiting for responses.

use super::{super::connection, script::check};

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
