//! Connections that end before the response, or continue in another protocol.

use super::script::check;

/// `c>` and `c<` carry the socket's error number (asm-generic/errno.h).
#[test]
fn a_connection_ends_before_the_response() {
    for (end, expected) in [
        ("c> 0", "/a unanswered Closed by Client"),
        ("c< 0", "/a unanswered Closed by Server"),
        ("f<", "/a unanswered Closed by Server"),
        // ECONNRESET: the other side sent a RST.
        ("c> 104", "/a unanswered Reset by Server"),
        ("c< 104", "/a unanswered Reset by Client"),
        ("c> 0\nc< 104", "/a unanswered Reset by Client"),
        ("c> 110", "/a unanswered TimedOut"),
        ("c> 113", "/a unanswered Unreachable"),
    ] {
        let script = format!("> 100 1 /a\nr> 100\n{end}\nexpire 1000000000");
        check(&script, &[expected]);
    }
}

/// `c>` and `c<` carry how far the server's bytes have come.
#[test]
fn a_response_that_was_not_seen_is_no_error() {
    for (end, expected) in [
        // Nothing has come, or a FIN.
        ("c> 0 1", "/a unanswered Closed by Client"),
        ("c> 0 2", "/a unanswered Closed by Client"),
        ("c< 0 2", "/a unanswered Closed by Server"),
        ("c> 104 2", "/a unanswered Reset by Server"),
        ("c> 0 3", "/a unanswered"),
        ("c< 0 3", "/a unanswered"),
        ("c> 104 3", "/a unanswered"),
        ("c< 104 3", "/a unanswered"),
        // What the client has received counts more than what was sent to it.
        ("c< 0 3\nc> 104 1", "/a unanswered Reset by Server"),
        // The client gave up later, in vain sending something else.
        ("c> 110 2", "/a unanswered TimedOut"),
        ("c> 110 3", "/a unanswered"),
        ("c> 113 3", "/a unanswered"),
        // The server did, and it is not known how much has arrived.
        ("c< 110 3", "/a unanswered TimedOut"),
        ("c< 113 3", "/a unanswered Unreachable"),
    ] {
        let script = format!("> 100 1 /a\nr> 100\n{end}\nexpire 1000000000");
        let losses = check(&script, &[expected]);
        assert_eq!(losses.requests_unanswered, 1, "{end}");
    }
    // Sequence numbers wrap.
    for (until, expected) in [(0, "/a unanswered Closed by Client"), (1, "/a unanswered")] {
        let script = format!("> 100 4294967295 /a\nr> 100\nc> 0 {until}\nexpire 1000000000");
        check(&script, &[expected]);
    }
}

/// `c>` and `c<` carry how far the server's bytes have come.
#[test]
fn a_response_that_is_lost_has_the_end_of_the_connection() {
    for (end, expected) in [
        // The client has received nothing of it.
        ("c> 0 1", "/a 200 Closed by Client unread"),
        ("c> 104 1", "/a 200 Reset by Server unread"),
        // The server's socket alone: its bytes need not have arrived.
        ("c< 104 39", "/a 200 Reset by Client unread"),
        ("c< 110 39", "/a 200 TimedOut unread"),
    ] {
        let script = format!("> 100 1 /a\nr> 100\n<d 1 200 200\n{end}\nexpire 1000000000");
        check(&script, &[expected]);
    }
    // A copy of it has arrived unseen, or may have.
    for end in ["c> 0 39", "c< 0 39"] {
        let script = format!("> 100 1 /a\nr> 100\n<d 1 200 200\n{end}\nforget");
        check(&script, &["/a 200 unread"]);
    }
}

/// `<` 100 is an interim response of 38 bytes.
#[test]
fn an_interim_response_is_not_the_unseen_response() {
    for (until, expected) in [
        (40, "/a unanswered Closed by Server"),
        (41, "/a unanswered"),
    ] {
        let script = format!(
            "> 100 1 /a
             r> 100
             < 1 200 100
             c< 0 {until}
             expire 1000000000"
        );
        check(&script, &[expected]);
    }
}

/// The client has received what a later copy of its request acknowledges: it may be the response.
#[test]
fn a_copy_of_a_request_may_acknowledge_the_unseen_response() {
    for (until, expected) in [
        (2, "/a unanswered retransmits=1 Closed by Client"),
        (40, "/a unanswered retransmits=1"),
    ] {
        let script = format!(
            ">d 100 1 /a
             > 100 40 /a
             r> 100
             c> 0 {until}
             expire 1000000000"
        );
        check(&script, &[expected]);
    }
}

/// The bytes behind belong to the first exchange, or to others as well.
#[test]
fn unseen_responses_to_a_client_that_pipelines() {
    for (until, expected) in [
        (
            2,
            [
                "/a unanswered Closed by Server",
                "/b unanswered Closed by Server",
                "/c unanswered Closed by Server",
            ],
        ),
        (
            30,
            [
                "/a unanswered",
                "/b unanswered",
                "/c unanswered Closed by Server",
            ],
        ),
        // What the client had received when it sent /c is none of its response.
        (
            31,
            [
                "/a unanswered",
                "/b unanswered",
                "/c unanswered Closed by Server",
            ],
        ),
        (32, ["/a unanswered", "/b unanswered", "/c unanswered"]),
    ] {
        let script = format!(
            "> 100 1 /a /b
             > 200 30 /c
             r> 200
             c< 0 {until}
             expire 1000000000"
        );
        check(&script, &expected);
    }
    // The first one's response ends at 39.
    for (until, expected) in [
        (40, "/b unanswered Closed by Server"),
        (41, "/b unanswered"),
    ] {
        let script = format!(
            "> 100 1 /a /b
             r> 100
             < 1 200 200
             r< 1
             c< 0 {until}
             expire 1000000000"
        );
        check(&script, &["/a 200", expected]);
    }
}

#[test]
fn a_response_under_way_arrives_before_the_end_of_the_connection() {
    // The server responds before it has read the body, and closes: a RST follows the response.
    check(
        "> 100 1 /a
         c< 0
         < 1 200 413
         r< 1
         c> 104
         expire 1000000000",
        &["/a 413 unread"],
    );
    // The application reads later than the server closes.
    check(
        "> 100 1 /a
         r> 100
         < 1 200 200
         c< 0
         expire 1000000000
         r< 1",
        &["/a 200"],
    );
}

#[test]
fn a_response_may_come_a_second_later() {
    check(
        "> 100 1 /a
         r> 100
         expire 1000000000
         < 1 200 200
         r< 1
         c> 0
         expire 1000000000",
        &["/a 200"],
    );
}

#[test]
fn a_connection_is_ignored_after_a_protocol_switch() {
    check(
        "> 100 1 /socket
         r> 100
         < 1 200 101
         r< 1
         > 200 51 /looks-like-a-request
         < 51 300 200",
        &["/socket 101"],
    );
    check(
        ">c 100 1 a:80
         r> 100
         < 1 200 200
         r< 1
         > 200 51 /through-the-tunnel
         < 51 300 200",
        &["? 200"],
    );
    // A proxy that refuses continues in HTTP/1.
    check(
        ">c 100 1 a:80
         r> 100
         < 1 200 407
         r< 1
         > 200 51 /b
         r> 200
         < 51 300 200
         r< 51",
        &["? 407", "/b 200"],
    );
}

#[test]
fn an_upgrade_to_http2_returns_the_exchange() {
    check(
        ">u 100 1 /a
         r> 100
         <u 1 200 101
         r< 1
         upgraded
         > 200 51 /looks-like-a-request",
        &["upgraded /a unanswered"],
    );
    // A server without HTTP/2 responds in HTTP/1.
    check(
        ">u 100 1 /a
         r> 100
         < 1 200 200
         r< 1
         upgraded",
        &["/a 200"],
    );
}
