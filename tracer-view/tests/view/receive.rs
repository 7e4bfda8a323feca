//! The receivers on loopback: both protocols, both encodings, and the answers to requests that are
//! refused.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tonic::codec::CompressionEncoding;
use tracer_view::receive::MAX_REQUEST_BYTES;
use tracer_view::receive::listen::{ListenError, listen};

use crate::fixture::{application, span};
use crate::running_viewer::RunningViewer;

fn request_with_span(name: &str) -> ExportTraceServiceRequest {
    application("a", vec![span(1, 0, name, 0, 5)])
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Sends a request to `Host: x`. Returns status, content type and body of the answer.
fn http(to: SocketAddr, request_line: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let headers = format!("Host: x\r\n{headers}");
    let (status, head, body) = ask(to, request_line, &headers, body);
    let content_type = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or("");
    (status, content_type.to_owned(), body)
}

/// Sends a request. Returns status, head (in lower case) and body of the answer.
pub(crate) fn ask(
    to: SocketAddr,
    request_line: &str,
    headers: &str,
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(to).unwrap();
    let head = format!(
        "{request_line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses a body may close the connection before it has read the body.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec())
        .unwrap()
        .to_ascii_lowercase();
    let status = head[9..12].parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

const POST: &str = "POST /v1/traces";
const PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
const GZIP: &str = "Content-Encoding: gzip\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn grpc_plain_and_gzip() {
    let viewer = RunningViewer::start(&["--at-end"]).await;
    let response = viewer
        .grpc()
        .await
        .export(request_with_span("plain"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        response,
        ExportTraceServiceResponse {
            partial_success: None
        }
    );
    let mut compressing = viewer
        .grpc()
        .await
        .send_compressed(CompressionEncoding::Gzip);
    compressing
        .export(application("a", vec![span(2, 1, "zipped", 0, 5)]))
        .await
        .unwrap();
    compressing
        .export(ExportTraceServiceRequest::default())
        .await
        .unwrap();
    let printed = viewer.end_without_error().await;
    assert!(
        printed.contains("a plain") && printed.contains("a zipped"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_with_invalid_ids_make_a_partial_success() {
    let viewer = RunningViewer::start(&["--at-end"]).await;
    let mut bad = span(2, 0, "bad", 0, 5);
    bad.span_id = vec![0; 8];
    let response = viewer
        .grpc()
        .await
        .export(application("a", vec![span(1, 0, "good", 0, 5), bad]))
        .await
        .unwrap();
    let partial = response.into_inner().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(!partial.error_message.is_empty());
    assert!(viewer.end_without_error().await.contains("a good"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_in_every_encoding() {
    let viewer = RunningViewer::start(&["--at-end"]).await;
    let to = viewer.bound.http;
    let request = |id, name: &str| application("a", vec![span(id, u64::from(id > 1), name, 0, 5)]);
    let json = |id, name: &str| serde_json::to_vec(&request(id, name)).unwrap();
    let answer = http(to, POST, PROTOBUF, &request(1, "protobuf").encode_to_vec());
    assert_eq!(
        answer,
        (200, "application/x-protobuf".to_owned(), Vec::new())
    );
    let zipped = gzip(&request(2, "zipped-protobuf").encode_to_vec());
    assert_eq!(http(to, POST, &format!("{PROTOBUF}{GZIP}"), &zipped).0, 200);
    let (status, content_type, body) = http(
        to,
        POST,
        "Content-Type: Application/JSON; charset=utf-8\r\n",
        &json(3, "json"),
    );
    assert_eq!((status, content_type.as_str()), (200, "application/json"));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(
        body.get("partialSuccess")
            .is_none_or(serde_json::Value::is_null),
        "{body}"
    );
    assert_eq!(
        http(
            to,
            POST,
            &format!("{JSON}{GZIP}"),
            &gzip(&json(4, "zipped-json"))
        )
        .0,
        200
    );
    // As in the specification's examples: hex in upper case, times as strings; and an unknown
    // field.
    let example = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",
        "spanId":"EEE19B7EC3C1B174","name":"example","startTimeUnixNano":"1544712660000000000",
        "endTimeUnixNano":"1544712661000000000","kind":2,"unknownField":[1]}]}]}]}"#;
    assert_eq!(http(to, POST, JSON, example).0, 200);
    let printed = viewer.end_without_error().await;
    for name in [
        "a protobuf",
        "a zipped-protobuf",
        "a json",
        "a zipped-json",
        "unknown_service example",
    ] {
        assert!(printed.contains(name), "{name}: {printed}");
    }
    assert!(
        printed.contains("trace 5b8efff798038103d269b633813fc60c  1.000 s"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http_requests_that_are_refused() {
    let viewer = RunningViewer::start(&["--at-end"]).await;
    let to = viewer.bound.http;
    let good = request_with_span("good").encode_to_vec();
    let check = |request_line: &str, headers: &str, body: &[u8], status: u16| {
        let (actual, content_type, answer) = http(to, request_line, headers, body);
        assert_eq!(actual, status, "{request_line} {headers}: {answer:?}");
        (content_type, answer)
    };
    check("GET /v1/traces", "", b"", 405);
    check("POST /v1/metrics", PROTOBUF, &good, 404);
    check(POST, "", &good, 415);
    check(POST, "Content-Type: text/plain\r\n", &good, 415);
    check(
        POST,
        &format!("{PROTOBUF}Content-Encoding: br\r\n"),
        &good,
        415,
    );
    check(POST, &format!("{PROTOBUF}{GZIP}"), &good, 400);
    // The body is a google.rpc.Status in the encoding of the request: field 1 is the code
    // INVALID_ARGUMENT.
    let (content_type, answer) = check(POST, PROTOBUF, b"\xff\xff\xff", 400);
    assert_eq!(
        (content_type.as_str(), &answer[..2]),
        ("application/x-protobuf", &[8, 3][..])
    );
    let (content_type, answer) = check(POST, JSON, b"{\"resourceSpans\": 7}", 400);
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(
        (content_type.as_str(), answer["code"].as_i64()),
        ("application/json", Some(3))
    );
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    check(POST, JSON, &deep, 400);
    let bomb = gzip(&vec![0; MAX_REQUEST_BYTES + 1]);
    check(POST, &format!("{PROTOBUF}{GZIP}"), &bomb, 413);
    check(POST, PROTOBUF, &vec![0; MAX_REQUEST_BYTES + 1], 413);
    assert_eq!(
        viewer.end_without_error().await,
        "no calls between services in 0 traces\n\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_requests_that_are_too_large_are_refused() {
    let viewer = RunningViewer::start(&["--at-end"]).await;
    let mut client = viewer.grpc().await.max_encoding_message_size(usize::MAX);
    let large = request_with_span(&"x".repeat(MAX_REQUEST_BYTES + 1));
    assert!(client.export(large.clone()).await.is_err());
    let mut compressing = viewer
        .grpc()
        .await
        .send_compressed(CompressionEncoding::Gzip)
        .max_encoding_message_size(usize::MAX);
    assert!(compressing.export(large).await.is_err());
    client.export(request_with_span("small")).await.unwrap();
    assert!(viewer.end_without_error().await.contains("a small"));
}

#[test]
fn addresses_and_namespaces_that_do_not_exist() {
    let free = "127.0.0.1:0".parse().unwrap();
    let [taken] = listen([free], None).unwrap();
    let error = listen([free, taken.local_addr().unwrap()], None).unwrap_err();
    assert!(
        matches!(error, ListenError::Bind { address, .. } if address == taken.local_addr().unwrap())
    );
    let error = listen([free], Some("/no/such/namespace".as_ref())).unwrap_err();
    assert!(matches!(error, ListenError::Open { .. }));
    let error = listen([free], Some("/proc/self/cmdline".as_ref())).unwrap_err();
    assert!(matches!(error, ListenError::Enter { .. }), "{error:?}");
}

/// The sockets are in the other namespace, the process is not: the sockets' inodes are in that
/// namespace's table only.
#[test]
fn sockets_in_another_network_namespace() {
    use nix::sched::{CloneFlags, unshare};
    let (send_path, paths) = std::sync::mpsc::channel();
    let (finish, finished) = std::sync::mpsc::channel::<()>();
    let owner = std::thread::spawn(move || {
        let unshared = unshare(CloneFlags::CLONE_NEWNET);
        send_path
            .send(unshared.map(|()| format!("/proc/self/task/{}/", nix::unistd::gettid())))
            .unwrap();
        // The namespace lives as long as this thread.
        let _ = finished.recv();
    });
    let task = match paths.recv().unwrap() {
        Ok(task) => task,
        Err(error) => {
            println!("SKIP sockets_in_another_network_namespace: unshare: {error}; needs root");
            return;
        }
    };
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let any = "0.0.0.0:0".parse().unwrap();
    let sockets = listen([any, any], Some(format!("{task}ns/net").as_ref())).unwrap();
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), own);
    for socket in &sockets {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        let inode = link
            .to_string_lossy()
            .trim_matches(|c: char| !c.is_ascii_digit())
            .to_owned();
        let is_listed = |table: &str| {
            let table = std::fs::read_to_string(table).unwrap();
            table
                .lines()
                .any(|line| line.split_whitespace().nth(9) == Some(&inode))
        };
        assert!(
            is_listed(&format!("{task}net/tcp")),
            "in the other namespace"
        );
        assert!(
            !is_listed("/proc/thread-self/net/tcp"),
            "not in this namespace"
        );
    }
    drop(finish);
    owner.join().unwrap();
}
