//! Heads from text and from real traffic, whole, cut at every byte, and hostile.

use std::fmt::Write as _;

use proptest::prelude::*;

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
            Extraction::None => "-".to_owned(),
            Extraction::Malformed => "malformed".to_owned(),
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
fn what_servers_repair_is_repaired() {
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
fn a_host_that_is_doubtful_is_left_out() {
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

/// Heads of real traffic follow each other like pipelined messages without a body.
fn heads(capture: &[u8], head_len: impl Fn(&[u8]) -> Option<usize>) -> Vec<&[u8]> {
    let mut heads = Vec::new();
    let mut rest = capture;
    while !rest.is_empty() {
        let (head, after) = rest.split_at(head_len(rest).expect("a complete head"));
        heads.push(head);
        rest = after;
    }
    heads
}

fn captured_requests() -> Vec<&'static [u8]> {
    let capture = include_bytes!("../../../tests/fixtures/heads/hotrod-requests.txt");
    heads(capture, |rest| {
        RequestHead::parse(rest).expect("a request").head_len
    })
}

fn captured_responses() -> Vec<&'static [u8]> {
    let capture = include_bytes!("../../../tests/fixtures/heads/hotrod-responses.txt");
    heads(capture, |rest| {
        ResponseHead::parse(rest).expect("a response").head_len
    })
}

#[test]
fn real_requests() {
    let requests = captured_requests();
    assert_eq!(requests.len(), 26);
    check_request(
        requests[0],
        "GET /dispatch 127.0.0.1:8080 1.1 - whole None close",
    );
    check_request(
        requests[1],
        "GET /customer 127.0.0.1:8081 1.1 5f44b2b1ff6b42a0 whole None",
    );
    check_request(
        requests[2],
        "GET /route 127.0.0.1:8083 1.1 9f5e23808a28031c whole None",
    );
    check_request(
        requests[24],
        "GET /dispatch 127.0.0.1:8080 1.1 - whole None",
    );
    let traced = requests
        .iter()
        .filter_map(|head| RequestHead::parse(head).ok()?.trace.sampled());
    assert_eq!(traced.count(), 23, "every request but curl's three");
}

#[test]
fn real_responses() {
    let responses = captured_responses();
    assert_eq!(responses.len(), 26);
    check_response(responses[0], "200 1.1 whole Length(66)");
    check_response(responses[1], "200 1.1 whole Length(59)");
    check_response(responses[11], "200 1.1 whole Length(40) close");
    check_response(responses[24], "404 1.1 whole Length(20)");
}

/// What a cut request may say: nothing, or what the whole one says.
fn assert_subset(cut: &RequestHead, whole: &RequestHead) {
    assert_eq!(cut.method, whole.method);
    assert!(cut.path.is_none() || cut.path == whole.path, "{cut:?}");
    assert!(cut.host.is_none() || cut.host == whole.host, "{cut:?}");
    assert!(
        cut.version.is_none() || cut.version == whole.version,
        "{cut:?}"
    );
    assert!(
        cut.trace == Extraction::None || cut.trace == whole.trace,
        "{cut:?}"
    );
    assert!(
        cut.head_len.is_none() && cut.body == BodyFraming::Unknown,
        "{cut:?}"
    );
}

fn every_prefix_of_request(head: &[u8]) {
    let whole = RequestHead::parse(head).expect("a request");
    assert_eq!(whole.head_len, Some(head.len()));
    let line_ends = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    let trace_line = head
        .windows(12)
        .position(|w| w.eq_ignore_ascii_case(b"\ntraceparent"));
    for end in 0..head.len() {
        match RequestHead::parse(&head[..end]) {
            Ok(cut) => {
                assert_subset(&cut, &whole);
                let trace_is_whole =
                    trace_line.is_some_and(|at| line_ends(&head[..end]) > line_ends(&head[..=at]));
                assert_eq!(
                    cut.trace == whole.trace,
                    trace_is_whole || trace_line.is_none()
                );
            }
            Err(error) => assert_eq!(
                error,
                HeadError::Incomplete,
                "{}",
                head[..end].escape_ascii()
            ),
        }
    }
}

#[test]
fn every_prefix_of_real_heads() {
    captured_requests()
        .into_iter()
        .for_each(every_prefix_of_request);
    every_prefix_of_request(
        b"POST http://u@shop:80/\xff?q HTTP/1.0\nHost: x\nConnection: keep-alive\n\n",
    );
    for head in captured_responses() {
        let whole = ResponseHead::parse(head).expect("a response");
        for end in 0..head.len() {
            match ResponseHead::parse(&head[..end]) {
                Ok(cut) => {
                    assert_eq!(
                        (cut.status, cut.version, cut.head_len),
                        (whole.status, whole.version, None)
                    );
                    assert_eq!(response_body(&Method::Get, &cut), BodyFraming::Unknown);
                }
                Err(error) => assert_eq!(error, HeadError::Incomplete),
            }
        }
    }
}

/// Invariant 6 of the design: nothing else leaves.
#[test]
fn other_values_do_not_leave() {
    let request = "POST http://secret:secret@shop/a?token=secret#secret HTTP/1.1\r\nHost: secret@shop\r\nCookie: secret\r\n\
         Authorization: secret\r\nContent-Length: 6\r\ntracestate: k=secret\r\nX: y\r\n secret\r\n\r\nsecret";
    let head = RequestHead::parse(request.as_bytes()).expect("a request");
    assert_eq!(head.host.as_deref(), Some("shop"));
    assert!(!format!("{head:?}").contains("secret"), "{head:?}");
    let response = "HTTP/1.1 200 secret\r\nSet-Cookie: secret\r\nConnection: secret\r\n\r\nsecret";
    let head = ResponseHead::parse(response.as_bytes()).expect("a response");
    assert!(!format!("{head:?}").contains("secret"), "{head:?}");
}

prop_compose! {
    fn field()(name in "x-[a-z]{1,12}", value in "[ -~]{0,40}") -> (String, String) { (name, value) }
}

proptest! {
    #[test]
    fn a_head_of_parts_is_read_back(
        method in "[A-Z]{1,16}",
        path in "/[a-z0-9._~-]{0,40}",
        query in proptest::option::of("[!-~]{0,40}"),
        host in "[a-z0-9.-]{1,40}",
        length in proptest::option::of(any::<u64>()),
        others in proptest::collection::vec(field(), 0..40),
        line_end in prop::sample::select(vec!["\r\n", "\n"]),
        body: Vec<u8>,
    ) {
        prop_assume!(method != "CONNECT");
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let mut text = format!("{method} {target} HTTP/1.1{line_end}");
        for (name, value) in &others {
            text += &format!("{name}: {value}{line_end}");
        }
        text += &format!("Host: {host}{line_end}traceparent: {TRACE}{line_end}");
        if let Some(length) = length {
            text += &format!("Content-Length: {length}{line_end}");
        }
        text += line_end;
        let captured = [text.as_bytes(), &body].concat();
        let head = RequestHead::parse(&captured).expect("a request");
        prop_assert_eq!(head.method.original().unwrap_or(head.method.as_str()), method);
        prop_assert_eq!(head.path, Some(path));
        prop_assert_eq!(head.host, Some(host));
        prop_assert!(head.trace.sampled().is_some());
        prop_assert_eq!(head.head_len, Some(text.len()));
        prop_assert_eq!(head.body, length.map_or(BodyFraming::None, BodyFraming::Length));
    }

    #[test]
    fn no_bytes_make_it_panic_or_print_control_characters(
        start in prop::sample::select(vec!["", "GET /", "GET http://", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost:"]),
        bytes: Vec<u8>,
        end in prop::sample::select(vec!["", "\r\n\r\n", " HTTP/1.1\r\n\r\n"]),
    ) {
        let captured = [start.as_bytes(), &bytes, end.as_bytes()].concat();
        let _ = ResponseHead::parse(&captured);
        if let Ok(head) = RequestHead::parse(&captured) {
            let printed = [head.path, head.host].into_iter().flatten().collect::<String>();
            prop_assert!(printed.bytes().all(|byte| byte.is_ascii_graphic()), "{printed:?}");
            prop_assert!(head.head_len.is_none_or(|len| len <= captured.len()));
        }
    }

    #[test]
    fn changed_bytes_never_panic(at in 0usize..248, byte: u8, end in 0usize..=248) {
        let mut head = captured_requests()[2].to_vec();
        head[at] = byte;
        let _ = RequestHead::parse(&head[..end]);
        let _ = ResponseHead::parse(&head[..end]);
    }
}
