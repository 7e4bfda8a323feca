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
fn a_body_after_100_continue_is_a_body() {
    // The client has received something since the head: 38 bytes.
    check(
        ">b 100 1 /1
         r> 100
         < 1 149 100
         r< 1
         >x 149 39 /in-the-body
         < 39 167 201
         r< 39",
        &["/1 201"],
    );
}

#[test]
fn in_chunks_only_the_kernel_knows_where_a_request_begins() {
    let losses = check(
        ">k 100 1 /1
         >x 200 1 /in-the-body
         < 1 300 200
         r< 1
         >x 300 39 /perhaps
         < 39 400 201
         r< 39
         > 400 77 /3
         r> 400
         < 77 500 202
         r< 77",
        &["/1 200 unread", "/3 202"],
    );
    assert_eq!(losses.requests_unsure, 2);
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
fn a_body_that_looks_like_a_response_behind_its_head() {
    // Both in one packet: the body of a response to GET, and the next response to HEAD.
    check(
        "> 100 1 /1
         r> 100
         <b 1 128 201 500
         r< 1",
        &["/1 201"],
    );
    check(
        ">h 100 1 /1
         > 129 1 /2
         r> 129
         <b 1 157 201 202
         r< 1",
        &["/1 201", "/2 202"],
    );
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
fn behind_a_response_of_unknown_length_nothing_is_assigned() {
    check(
        "> 100 1 /1
         > 128 1 /2
         r> 128
         <k 1 156 201
         r< 1
         < 60 156 202",
        &["/1 201", "/2 unanswered"],
    );
}

#[test]
fn heads_in_pieces() {
    for (first, rest) in [("G", "ET /a HTTP/1.1"), ("GE", "T /a HTTP/1.1")] {
        let begin = 100 + first.len();
        check(
            &format!(
                ">p 100 1 {first}
                 r> 100
                 >+ {begin} {rest}
                 < 1 200 200
                 r< 1"
            ),
            &["/a 200"],
        );
    }
    check(
        "> 100 1 /a
         r> 100
         <p 1 200 HTT
         <+ 4 P/1.1 201 OK
         r< 1",
        &["/a 201"],
    );
}

#[test]
fn a_response_is_read_before_its_status_has_come() {
    check(
        "> 100 1 /a
         r> 100
         <p 1 128 HTT
         r< 1
         <+ 4 P/1.1 201 OK",
        &["/a 201"],
    );
    // The client's first request has the number of the server's first response.
    check(
        "> 1 1 /a
         <p 1 29 HTT
         r> 1
         <+ 4 P/1.1 201 OK",
        &[],
    );
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
fn an_old_connection_is_followed_from_the_second_request_on() {
    let losses = check(
        ">x 100 1 /1
         r> 100
         < 1 128 200
         r< 1
         >x 128 39 /2
         r> 128
         < 39 156 201
         r< 39",
        &["/2 201"],
    );
    assert_eq!(losses.requests_unsure, 1);
}

#[test]
fn what_may_be_a_request_moves_no_response() {
    check(
        ">k 100 1 /1
         r> 100
         >x 300 39 /perhaps
         < 39 400 204
         r< 39",
        &["/1 unanswered"],
    );
}

#[test]
fn pipelining_is_noticed_behind_a_response_too() {
    check(
        "> 100 1 /1
         < 1 128 201
         > 128 1 /2
         r> 128
         r< 1
         > 156 39 /3
         r> 156
         < 39 184 202
         r< 39",
        &["/1 201", "/2 202"],
    );
}

#[test]
fn pipelining_is_noticed_behind_a_request_that_was_sent_again() {
    // The client has received the rest of a response between the copies of /2.
    check(
        "> 100 1 /1
         <b 1 128 201
         >d 128 40 /2
         > 128 58 /2
         > 156 58 /3
         r> 156
         r< 1
         < 58 184 202
         < 96 184 203
         r< 96",
        &["/1 201", "/2 202 retransmits=1", "/3 203"],
    );
}
