//! Responses whose bodies go on behind the packet of their head.

use super::script::check;

#[test]
fn a_response_is_over_when_its_last_byte_is_read() {
    check(
        "> 100 1 /a
         r> 100
         <o 1 200 200
         r< 1
         <e 40 200 18
         r< 57
         > 200 58 /b
         r> 200
         < 58 300 204
         r< 58",
        &["/a 200 whole", "/b 204"],
    );
}

#[test]
fn its_end_is_sent_again() {
    check(
        "> 100 1 /a
         r> 100
         <o 1 200 200
         r< 1
         <ed 40 200 18
         <e 40 200 18
         r< 57",
        &["/a 200 whole"],
    );
}

#[test]
fn its_end_leaves_the_node() {
    check(
        "> 100 1 /a
         r> 100
         <o 1 200 200
         <el 40 200 18
         > 200 58 /b",
        &["/a 200 unread whole"],
    );
}

/// What the server has received since the response has begun tells whose end it is: an empty line and
/// a FIN are no request.
#[test]
fn the_end_of_a_later_response_is_not_that_of_the_one_before() {
    for (ack, end) in [(200, "whole"), (203, "whole"), (204, "open")] {
        let end_of_one =
            format!("> 100 1 /a\n r> 100\n <o 1 200 200\n <el 40 {ack} 18\n > 300 58 /b");
        check(&end_of_one, &[&format!("/a 200 unread {end}")]);
    }
}

#[test]
fn a_response_that_is_cut_is_no_success() {
    // By a FIN of the server in the middle of its body, and by a RST.
    for end in ["<f 40 200 5", "c> 104\n expire 2000000000"] {
        let script = format!("> 100 1 /a\n r> 100\n <o 1 200 200\n r< 1\n {end}");
        let expected = if end.starts_with('<') {
            "/a 200 Closed by Server"
        } else {
            "/a 200 Reset by Server"
        };
        check(&script, &[expected]);
    }
}

#[test]
fn the_end_of_the_connection_alone_is_no_failure() {
    // The packet with the last byte may be lost.
    check(
        "> 100 1 /a
         r> 100
         <o 1 200 200
         r< 1
         f<
         c> 0
         expire 2000000000",
        &["/a 200 open"],
    );
}

/// The sockets show how far the server's bytes have come: to 58, or not.
#[test]
fn what_has_come_decides_whether_a_response_is_cut() {
    for (end, expected) in [
        ("c> 0 57", "/a 200 Closed by Client"),
        ("c> 0 58", "/a 200 open"),
        ("c> 104 57", "/a 200 Reset by Server"),
        ("c> 104 58", "/a 200 open"),
    ] {
        let script = format!(
            "> 100 1 /a
             r> 100
             <o 1 200 200
             r< 1
             {end}
             expire 2000000000"
        );
        check(&script, &[expected]);
    }
}

#[test]
fn a_request_is_served_until_its_response_ends() {
    check(
        ">t 100 1 /a
         r> 100
         served
         <o 1 200 200
         r< 1
         served
         <e 40 200 18
         served
         r< 57
         served",
        &["serving", "serving", "served", "/a 200 whole"],
    );
}

#[test]
fn a_body_ends_with_its_connection() {
    check(
        "> 100 1 /a
         r> 100
         <w 1 200 200
         r< 1
         f<
         c> 0
         expire 2000000000",
        &["/a 200 whole"],
    );
    check(
        "> 100 1 /a
         r> 100
         <w 1 200 200
         r< 1
         c> 104
         expire 2000000000",
        &["/a 200 Reset by Server"],
    );
}

#[test]
fn a_response_without_its_end_is_open_after_the_limit() {
    check(
        "> 100 1 /a
         r> 100
         <o 1 200 200
         r< 1
         expire 599000000000
         expire 2000000000",
        &["/a 200 open"],
    );
}

#[test]
fn the_next_request_shows_that_a_response_has_ended() {
    check(
        "> 100 1 /a
         r> 100
         <o 1 200 200
         r< 1
         > 200 58 /b
         r> 200
         < 58 300 204
         r< 58",
        &["/a 200 open", "/b 204"],
    );
}

#[test]
fn the_response_to_a_head_has_no_body() {
    // A node that sees only the response does not know what was asked.
    check(
        ">h 100 1 /a
         r> 100
         <o 1 200 200
         r< 1",
        &["/a 200"],
    );
}

#[test]
fn a_response_that_never_arrives_is_open_after_the_limit() {
    check(
        "> 100 1 /a
         r> 100
         <d 1 200 200
         expire 599000000000
         expire 2000000000",
        &["/a 200 unread open"],
    );
}
