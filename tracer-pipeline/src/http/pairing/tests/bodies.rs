//! Where messages begin: bodies that look like heads, heads in pieces, and connections of which the
//! beginning was not seen.

use super::script::check;

#[test]
fn a_body_that_looks_like_a_request_is_a_body() {
    let losses = check(
        ">b 100 1 /1
         >x 149 1 /in-the-body
         r> 100
         < 1 167 201
         r< 1
         >b 167 39 /2
         >x 216 39 /in-the-body
         r> 167
         < 39 234 202
         r< 39
         > 234 77 /3
         r> 234
         < 77 262 203
         r< 77",
        &["/1 201", "/2 202", "/3 203"],
    );
    assert_eq!(losses.requests_in_body, 2);
    assert_eq!(losses.responses_unmatched, 0);
}

#[test]
fn a_body_that_looks_like_a_response_is_a_body() {
    let losses = check(
        "> 100 1 /1
         > 128 1 /2
         r> 128
         <b 1 156 201
         < 40 156 500
         < 58 156 202
         r< 58",
        &["/1 201", "/2 202"],
    );
    assert_eq!(losses.responses_in_body, 1);
}

#[test]
fn a_response_that_was_not_seen_is_no_failure() {
    // The head of /2 is in the packet with the end of the body before.
    let losses = check(
        "> 100 1 /1
         > 128 1 /2
         > 156 1 /3
         r> 156
         <b 1 184 201
         r< 1
         < 150 184 203
         > 184 188 /4
         r> 184
         < 188 212 204
         r< 188
         c> 0
         expire 1000000000",
        &["/1 201", "/2 unanswered", "/3 unanswered", "/4 unanswered"],
    );
    // Of a client that pipelines it is not known whether it has waited for all responses before /4.
    assert_eq!(losses.responses_unsure, 2);
}

#[test]
fn heads_whose_rest_is_lost_are_counted() {
    let long = "a".repeat(16_384);
    for (script, expected) in [
        // A piece is missing.
        (">p 100 1 G\n>+ 102 T /a HTTP/1.1".to_owned(), 1),
        // The next head begins.
        (">p 100 1 G\n>p 200 1 G".to_owned(), 1),
        // A whole head that is none.
        (format!(">p 100 1 G\n>+ 101 {long}"), 1),
        // The first piece is sent again, and then the rest.
        (
            ">p 100 1 G\n>p 100 1 G\n>+ 101 ET /a HTTP/1.1".to_owned(),
            0,
        ),
    ] {
        assert_eq!(check(&script, &[]).heads_cut, expected, "{script:.40}");
    }
}

#[test]
fn an_old_connection_is_followed_from_the_fourth_request_on() {
    let losses = check(
        ">x 100 1 /1
         < 1 128 200
         >x 128 39 /2
         < 39 156 201
         >x 156 77 /3
         < 77 184 202
         >x 184 115 /4
         r> 184
         < 115 212 203
         r< 115",
        &["/4 203"],
    );
    assert_eq!(losses.requests_unsure, 3);
}

/// The client may have sent /b without waiting; then the response behind it is that to /a.
#[test]
fn behind_an_unseen_response_three_exchanges_have_none() {
    let losses = check(
        "> 100 1 /a
         r> 100
         > 200 51 /b
         r> 200
         < 51 300 201
         > 300 89 /c
         r> 300
         < 89 400 202
         > 400 127 /d
         r> 400
         < 127 500 203
         > 500 165 /e
         r> 500
         < 165 600 204
         r< 165",
        &[
            "/a unanswered",
            "/b unanswered",
            "/c unanswered",
            "/d unanswered",
            "/e 204",
        ],
    );
    assert_eq!(losses.responses_unsure, 3);
    assert_eq!(losses.requests_unanswered, 4);
}
