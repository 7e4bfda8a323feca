//! Connections that end before the answer, or go on in another protocol.

use super::story::check;

/// Errors that a socket tells (asm-generic/errno.h).
#[test]
fn a_connection_ends_before_the_answer() {
    for (end, expected) in [
        ("c> 0", "/a unanswered Closed by Client"),
        ("c< 0", "/a unanswered Closed by Server"),
        ("f<", "/a unanswered Closed by Server"),
        // ECONNRESET: the other side threw it away.
        ("c> 104", "/a unanswered Reset by Server"),
        ("c< 104", "/a unanswered Reset by Client"),
        ("c> 0\nc< 104", "/a unanswered Reset by Client"),
        ("c> 110", "/a unanswered TimedOut"),
        ("c> 113", "/a unanswered Unreachable"),
    ] {
        let story = format!("> 100 1 /a\nr> 100\n{end}\nexpire 1000000000");
        check(&story, &[expected]);
    }
}

#[test]
fn an_answer_on_its_way_arrives_before_the_end_does() {
    // The server answers before it has read the body, and closes: a RST follows the answer.
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
fn a_client_that_has_finished_may_wait_for_its_answer() {
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
fn a_connection_is_left_alone_after_another_protocol_began() {
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
    // A proxy that refuses goes on in HTTP/1.
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
fn an_upgrade_to_http2_hands_the_exchange_on() {
    check(
        ">u 100 1 /a
         r> 100
         <u 1 200 101
         r< 1
         upgraded
         > 200 51 /looks-like-a-request",
        &["upgraded /a unanswered"],
    );
    // A server that does not know HTTP/2 answers as ever.
    check(
        ">u 100 1 /a
         r> 100
         < 1 200 200
         r< 1
         upgraded",
        &["/a 200"],
    );
}
