//! Heads as text, and how they are parsed.

mod captured_heads;

use std::fmt::Write as _;

use super::*;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// `whole` for a head that ends after its blank line, `cut` for one that does not.
fn extent(captured: &[u8], head_len: Option<usize>) -> &'static str {
    let Some(head_len) = head_len else {
        return "cut";
    };
    let head = &captured[..head_len];
    assert!(
        head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n"),
        "{}",
        head.escape_ascii()
    );
    "whole"
}

/// A request in one line: `method path host version trace extent body [close] [upgrade]`.
fn request_line(captured: &[u8]) -> String {
    let head = match RequestHead::parse(captured) {
        Ok(head) => head,
        Err(error) => return format!("{error:?}"),
    };
    let mut line = format!(
        "{} {} {} {} {} {} {:?}",
        head.method.original().unwrap_or(head.method.as_str()),
        head.path.as_deref().unwrap_or("-"),
        head.host.as_deref().unwrap_or("-"),
        head.version.map_or("-", Version::as_str),
        match head.trace {
            Extraction::Context(context) => context.parent_id.to_string(),
            Extraction::None | Extraction::Unknown => "-".to_owned(),
            Extraction::Malformed => "malformed".to_owned(),
            Extraction::Denied => "denied".to_owned(),
        },
        extent(captured, head.head_len),
        head.body,
    );
    if head.connection_close {
        line.push_str(" close");
    }
    if head.upgrade {
        line.push_str(" upgrade");
    }
    line
}

fn check_request(captured: &[u8], expected: &str) {
    assert_eq!(
        request_line(captured),
        expected,
        "{}",
        captured.escape_ascii()
    );
}

/// A response to `GET` in one line: `status version extent body [close]`.
fn check_response(captured: &[u8], expected: &str) {
    let line = match ResponseHead::parse(captured) {
        Ok(head) => format!(
            "{} {} {} {:?}{}",
            head.status,
            head.version.as_str(),
            extent(captured, head.head_len),
            response_body(&Method::Get, &head),
            if head.connection_close { " close" } else { "" },
        ),
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(line, expected, "{}", captured.escape_ascii());
}

#[test]
fn requests() {
    check_request(b"GET / HTTP/1.1\r\n\r\n", "GET / - 1.1 - whole None");
    check_request(
        b"GET /a?b HTTP/1.1\r\nHost: shop:80\r\n\r\n",
        "GET /a shop:80 1.1 - whole None",
    );
    check_request(
        b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "POST /a - 1.1 - whole Length(3)",
    );
    check_request(
        b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "PUT /a - 1.1 - whole Chunked",
    );
    check_request(
        b"GET http://shop/a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a shop 1.1 - whole None",
    );
    check_request(
        b"OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n",
        "OPTIONS * shop 1.1 - whole None",
    );
    check_request(
        b"CONNECT shop:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT - shop:443 1.1 - whole None",
    );
    check_request(
        b"BREW /pot HTTP/1.0\r\n\r\n",
        "BREW /pot - 1.0 - whole None close",
    );
    check_request(
        b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET /ws - 1.1 - whole None upgrade",
    );
}

#[test]
fn defects_that_servers_repair_are_repaired() {
    let trace = format!("GET / HTTP/1.1\r\nTraceparent:\r\n {TRACE}\r\n\r\n");
    check_request(trace.as_bytes(), "GET / - 1.1 b7ad6b7169203331 whole None");
    check_request(
        b"\r\n\nGET / HTTP/1.1\nHost: a\n\n",
        "GET / a 1.1 - whole None",
    );
    check_request(b"GET   /a   HTTP/1.1\r\n\r\n", "GET /a - 1.1 - whole None");
    check_request(
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        "GET /%FF%FE - 1.1 - whole None",
    );
    check_request(
        b"GET / HTTP/1.1\r\n:x\r\nno colon\r\na b: c\r\nHost: a\r\n\r\n",
        "GET / a 1.1 - whole None",
    );
    check_request(
        b"GET / HTTP/1.1\r\nX: \x01\r\nHost: a\r\n\r\n",
        "GET / a 1.1 - whole None",
    );
    check_response(
        b"HTTP/1.1  200  OK\r\nContent-Length : 5\r\n\r\n",
        "200 1.1 whole Length(5)",
    );
}

#[test]
fn an_ambiguous_host_is_left_out() {
    check_request(
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / - 1.1 - whole None",
    );
    check_request(
        b"GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n",
        "GET / - 1.1 - whole None",
    );
    check_request(
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / - 1.1 - whole None",
    );
    check_request(
        b"GET / HTTP/1.1\r\nHost: u:p@a\r\n\r\n",
        "GET / a 1.1 - whole None",
    );
}

#[test]
fn malformed_requests() {
    check_request(b"GET /a\x00b HTTP/1.1\r\n\r\n", "StartLine");
    check_request(b"GET /\x7f HTTP/1.1\r\n\r\n", "StartLine");
    check_request(b"GET /\r\n", "StartLine");
    check_request(b"G\xc3\xa9T / HTTP/1.1\r\n\r\n", "StartLine");
    check_request(b"\x16\x03\x01\x02\x00", "StartLine");
    check_request(b"HTTP/1.1 200 OK\r\n\r\n", "StartLine");
    check_request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "Version");
    check_request(b"GET / HTTP/1.\xb1\r\n\r\n", "Version");
    check_request(b"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n", "Field");
    check_request(b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", "Field");
    let mut many = "GET / HTTP/1.1\r\n".to_owned();
    (0..MAX_HEADERS).for_each(|n| write!(many, "h{n}: v\r\n").expect("writes to a string"));
    check_request(format!("{many}\r\n").as_bytes(), "GET / - 1.1 - whole None");
    check_request(
        format!("{many}one: more\r\n\r\n").as_bytes(),
        "TooManyFields",
    );
}

#[test]
fn cut_requests() {
    check_request(b"", "Incomplete");
    check_request(b"\r\n", "Incomplete");
    check_request(b"GET", "Incomplete");
    check_request(b"GET ", "GET - - - - cut Unknown");
    check_request(b"GET /dispa", "GET - - - - cut Unknown");
    check_request(b"GET /dispatch?cus", "GET /dispatch - - - cut Unknown");
    check_request(b"GET /dispatch HTT", "GET /dispatch - - - cut Unknown");
    check_request(b"GET / HTTP/1.1\r\nHost: sho", "GET / - 1.1 - cut Unknown");
    check_request(
        b"GET / HTTP/1.1\r\nHost: shop\r\nX",
        "GET / shop 1.1 - cut Unknown",
    );
    let cut = format!("GET / HTTP/1.1\r\nTraceparent: {TRACE}");
    check_request(cut.as_bytes(), "GET / - 1.1 - cut Unknown");
    check_request(
        format!("{cut}\r\nX: ").as_bytes(),
        "GET / - 1.1 b7ad6b7169203331 cut Unknown",
    );
}

#[test]
fn responses() {
    check_response(
        b"HTTP/1.1 200 OK\r\nContent-Length: 66\r\n\r\n{",
        "200 1.1 whole Length(66)",
    );
    check_response(
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n",
        "200 1.1 whole Chunked",
    );
    check_response(b"HTTP/1.1 200 OK\r\n\r\n", "200 1.1 whole UntilClose");
    check_response(b"HTTP/1.0 200 OK\r\n\r\n", "200 1.0 whole UntilClose close");
    check_response(
        b"HTTP/1.1 304 \r\nContent-Length: 66\r\n\r\n",
        "304 1.1 whole None",
    );
    check_response(
        b"HTTP/1.1 404 Pas trouv\xe9\r\nConnection: close\r\n\r\n",
        "404 1.1 whole UntilClose close",
    );
    check_response(b"HTTP/1.1 20", "Incomplete");
    check_response(b"HTTP/1.1 200", "200 1.1 cut Unknown");
    check_response(b"HTTP/1.1 204 No", "204 1.1 cut None");
    check_response(b"HTTP/1.1 2x0 OK\r\n\r\n", "StartLine");
    check_response(b"HTTP/2 200\r\n\r\n", "Version");
    check_response(b"GET / HTTP/1.1\r\n\r\n", "Version");
}

#[test]
fn a_response_depends_on_its_request() {
    let parse = |text: &[u8]| ResponseHead::parse(text).expect("a response");
    let ok = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(response_body(&Method::Get, &ok), BodyFraming::Length(5));
    assert_eq!(response_body(&Method::Head, &ok), BodyFraming::None);
    assert_eq!(response_body(&Method::Connect, &ok), BodyFraming::None);
    assert!(ok.switches_protocol(&Method::Connect) && !ok.switches_protocol(&Method::Get));
    let switching = parse(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert!(switching.switches_protocol(&Method::Get) && !switching.is_interim());
    assert!(parse(b"HTTP/1.1 100 Continue\r\n\r\n").is_interim() && !ok.is_interim());
}
