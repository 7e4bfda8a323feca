//! Bodies that look like heads: each request keeps its own status, and a body makes no exchange.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hopspan_e2e::{
    CLOSE_REPORTED, DialogueFixture, Step, http1::HEAD_END, pause, play_server, python, send, take,
    until,
};
use hopspan_lab::{Command, skip_without};

use super::{
    case::{Case, answer, assert_exchanges, check},
    traced_request::TracedRequest,
};

/// A request without a trace context, 18 bytes.
const LOOKALIKE: &str = "GET /x HTTP/1.1\r\n\r\n";
const FAST: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_millis(50);
/// What the server of [`DialogueFixture`] listens on.
const PORT: u16 = 8080;
const PROGRAM: Duration = Duration::from_secs(30);

fn length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

/// A head with a trace context of its own, as a body.
fn traced_lookalike() -> String {
    TracedRequest::new("GET", "/inside", "500").head("")
}

/// Four uploads of `body` on one connection. The second and the fourth are answered slowly.
fn uploads(mut case: Case, body: &str) -> Case {
    for (path, status, work) in [
        ("/1", "201", FAST),
        ("/2", "202", SLOW),
        ("/3", "203", FAST),
        ("/4", "205", SLOW),
    ] {
        let request = TracedRequest::new("POST", path, status);
        let head = request.head(&length(body));
        let empty = format!("HTTP/1.1 {status} Answer\r\nContent-Length: 0\r\n\r\n");
        case = case
            .working(work)
            .exchange(request, &[&head, body], &[&empty]);
    }
    case
}

#[test]
fn an_upload_that_looks_like_a_request() {
    if hopspan_lab::skip("an_upload_that_looks_like_a_request") {
        return;
    }
    let traced = traced_lookalike();
    let cases = [
        uploads(Case::at_once(), LOOKALIKE),
        uploads(Case::apart(), LOOKALIKE),
        uploads(Case::at_once(), &traced),
        uploads(Case::apart(), &traced),
    ];
    let outcome = check("upload-head", &cases);
    for case in &cases {
        for slow in [1, 3] {
            let exchange = &case.requests[slow].parent.exchange(&outcome.traces);
            let lasted = Duration::from_nanos(exchange.duration_ns());
            assert!(lasted >= SLOW, "{lasted:?}");
        }
    }
}

/// The size line of a chunk, its data and the CR LF after it are writes of their own.
fn chunked(case: Case, data: &str) -> Case {
    let (upload, next) = (
        TracedRequest::new("POST", "/chunked", "201"),
        TracedRequest::new("GET", "/next", "203"),
    );
    let head = upload.head("Transfer-Encoding: chunked\r\n");
    let size = format!("{:x}\r\n", data.len());
    let next_head = next.head("");
    case.exchange(
        upload,
        &[&head, &size, data, "\r\n", "0\r\n\r\n"],
        &[&answer("201")],
    )
    .exchange(next, &[&next_head], &[&answer("203")])
}

#[test]
fn a_chunk_that_looks_like_a_request() {
    if hopspan_lab::skip("a_chunk_that_looks_like_a_request") {
        return;
    }
    let traced = traced_lookalike();
    check(
        "chunk-head",
        &[
            chunked(Case::at_once(), LOOKALIKE),
            chunked(Case::apart(), LOOKALIKE),
            chunked(Case::apart(), &traced),
        ],
    );
}

/// The body is sent after 100 Continue.
#[test]
fn an_expected_upload_that_looks_like_a_request() {
    if hopspan_lab::skip("an_expected_upload_that_looks_like_a_request") {
        return;
    }
    let inside = TracedRequest::new("GET", "/inside", "500");
    let body = inside.head("");
    let (upload, next) = (
        TracedRequest::new("PUT", "/expect", "201"),
        TracedRequest::new("GET", "/next", "203"),
    );
    let head = upload.head(&format!("Expect: 100-continue\r\n{}", length(&body)));
    let next_head = next.head("");
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut case = Case::apart();
    case.server.extend([take(head.len() as u64), send(interim)]);
    case.client
        .extend([send(&head), take(interim.len() as u64)]);
    let case = case.exchange(upload, &[&body], &[&answer("201")]).exchange(
        next,
        &[&next_head],
        &[&answer("203")],
    );
    let outcome = check("expect-head", &[case]);
    let trace = outcome.traces.0.get(&inside.parent.trace_id);
    assert!(trace.is_none(), "{trace:#?}");
}

/// A response whose body begins with a head, in a write of its own.
fn download(mut case: Case, body: &str) -> Case {
    for (path, status) in [("/1", "200"), ("/2", "203"), ("/3", "404")] {
        let request = TracedRequest::new("GET", path, status);
        let head = request.head("");
        let response = format!("HTTP/1.1 {status} Answer\r\n{}\r\n", length(body));
        case = case.exchange(request, &[&head], &[&response, body]);
    }
    case
}

#[test]
fn a_download_that_looks_like_a_response() {
    if hopspan_lab::skip("a_download_that_looks_like_a_response") {
        return;
    }
    let alone = "HTTP/1.1 500 Bad\r\n\r\n";
    let longer = format!(
        "HTTP/1.1 500 Bad\r\nContent-Length: 7\r\n\r\n{}",
        ".".repeat(3_000)
    );
    check(
        "download-head",
        &[
            download(Case::at_once(), alone),
            download(Case::apart(), alone),
            download(Case::apart(), &longer),
        ],
    );
}

/// The second request begins in the packet that ends the body of the first. `split` is where in
/// the second request that packet ends.
fn successor(split: impl Fn(&str) -> usize) -> Case {
    let (upload, next, last) = (
        TracedRequest::new("POST", "/upload", "201"),
        TracedRequest::new("GET", "/successor", "203"),
        TracedRequest::new("GET", "/last", "404"),
    );
    let head = upload.head(&length(LOOKALIKE));
    let (next_head, last_head) = (next.head(""), last.head(""));
    let (body, body_end) = LOOKALIKE.split_at(9);
    let (begin, rest) = next_head.split_at(split(&next_head));
    let shared = format!("{body_end}{begin}");
    let writes = [&*head, body, &shared, rest];
    let writes = if rest.is_empty() {
        &writes[..3]
    } else {
        &writes
    };
    Case::apart()
        .exchanges(
            vec![upload, next],
            writes,
            &[&answer("201"), &answer("203")],
        )
        .exchange(last, &[&last_head], &[&answer("404")])
}

#[test]
fn a_request_in_the_packet_that_ends_a_body() {
    if hopspan_lab::skip("a_request_in_the_packet_that_ends_a_body") {
        return;
    }
    check("body-end-whole", &[successor(str::len)]);
}

#[test]
fn a_request_begins_in_the_packet_that_ends_a_body() {
    if hopspan_lab::skip("a_request_begins_in_the_packet_that_ends_a_body") {
        return;
    }
    let cases = [2, 14, 20, 40].map(|split| successor(move |_| split));
    check("body-end-split", &cases);
}

/// What a file has that the programs upload, as in a bug report of another tracer.
fn file(inside: &TracedRequest) -> String {
    let head = inside.head("");
    format!("{head}{}", "the rest of the file\n".repeat(20))
}

/// The requests of a program that uploads the file once for each, on one connection to the address
/// that it gets. It is given the path of the file.
fn check_program(
    label: &str,
    contents: &str,
    requests: &[TracedRequest],
    statuses: &[&str],
    command: impl FnOnce(&DialogueFixture, SocketAddr, &str) -> Command,
) {
    let dialogues = DialogueFixture::start(label).unwrap();
    let path = dialogues.fixture.work_dir().join("upload");
    std::fs::write(&path, contents).unwrap();
    let steps: Vec<Step> = statuses
        .iter()
        .flat_map(|status| {
            [
                until(HEAD_END),
                take(contents.len() as u64),
                pause(FAST),
                send(answer(status)),
            ]
        })
        .collect();
    let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    let mut server = play_server(&dialogues.server, listen, &steps).unwrap();
    command(&dialogues, dialogues.address(), path.to_str().unwrap())
        .run(PROGRAM)
        .unwrap();
    let ended = server.wait(PROGRAM).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    std::thread::sleep(CLOSE_REPORTED);
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    for (index, request) in requests.iter().enumerate() {
        request.assert(&outcome.traces, index == 0);
    }
    assert_exchanges(&outcome.traces, requests.len());
}

#[test]
fn a_file_that_python_uploads() {
    let Some(python) = python("a_file_that_python_uploads", "http.client") else {
        return;
    };
    /// Arguments: address, port, file, and the path and the traceparent of each request.
    const SCRIPT: &str = "
import http.client, sys
host, port, file, *requests = sys.argv[1:]
connection = http.client.HTTPConnection(host, int(port))
for path, traceparent in zip(requests[::2], requests[1::2]):
    with open(file, 'rb') as body:
        length = str(len(body.read()))
        body.seek(0)
        headers = {'traceparent': traceparent, 'Content-Length': length}
        connection.request('POST', path, body=body, headers=headers)
    connection.getresponse().read()
";
    let statuses = ["201", "202", "203", "404"];
    let requests = ["/1", "/2", "/3", "/4"];
    let requests = [0, 1, 2, 3]
        .map(|index: usize| TracedRequest::new("POST", requests[index], statuses[index]));
    let contents = file(&TracedRequest::new("GET", "/in-the-file", "500"));
    check_program(
        "python-upload",
        &contents,
        &requests,
        &statuses,
        |dialogues, address, path| {
            let (host, port) = (address.ip().to_string(), address.port().to_string());
            let command = dialogues.client.command(&python);
            let command = command.args(["-c", SCRIPT, &host, &port, path]);
            (1..)
                .zip(&requests)
                .fold(command, |command, (number, request)| {
                    command.args([format!("/{number}"), request.parent.traceparent()])
                })
        },
    );
}

#[test]
fn a_file_that_curl_uploads() {
    if skip_without("a_file_that_curl_uploads", &[("curl", "curl")]) {
        return;
    }
    let requests = [("/1", "201"), ("/2", "202")]
        .map(|(path, status)| TracedRequest::new("PUT", path, status));
    let contents = file(&TracedRequest::new("GET", "/in-the-file", "500"));
    check_program(
        "curl-upload",
        &contents,
        &requests,
        &["201", "202"],
        |dialogues, address, path| {
            let command = dialogues.client.command("curl");
            (1..)
                .zip(&requests)
                .fold(command, |command, (number, request)| {
                    let next: &[&str] = if number > 1 { &["--next"] } else { &[] };
                    let header = format!("traceparent: {}", request.parent.traceparent());
                    let url = format!("http://{address}/{number}");
                    let upload = ["--silent", "--show-error", "-T", path, "-H", &header, &url];
                    command.args(next).args(upload)
                })
        },
    );
}
