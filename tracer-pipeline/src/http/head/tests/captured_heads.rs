//! Heads of captured traffic, cut at every byte, and hostile heads.

use proptest::prelude::*;

use super::*;

/// Splits a capture of heads, which follow each other like pipelined messages without a body.
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
    let capture = include_bytes!("../../../../tests/fixtures/heads/hotrod-requests.txt");
    heads(capture, |rest| {
        RequestHead::parse(rest).expect("a request").head_len
    })
}

fn captured_responses() -> Vec<&'static [u8]> {
    let capture = include_bytes!("../../../../tests/fixtures/heads/hotrod-responses.txt");
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
    let named = responses
        .iter()
        .filter_map(|head| ResponseHead::parse(head).ok()?.server_span);
    let lines = include_str!("../../../../tests/fixtures/heads/hotrod-responses.txt");
    assert_eq!(named.count(), lines.matches("\nTraceresponse: ").count());
}

/// Each part of a cut request is absent, or equal to that of the whole request.
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
                    assert!(cut.server_span.is_none() || cut.server_span == whole.server_span);
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

/// Invariant 6 of the design: no other value is exported.
#[test]
fn other_values_are_not_copied() {
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
