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
