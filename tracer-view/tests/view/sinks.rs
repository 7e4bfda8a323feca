//! The JSON file and the forward pass requests on unchanged.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::fixture::dispatch::dispatch;
use crate::fixture::{SpanBuilder, application, span};
use crate::running_viewer::RunningViewer;

fn read_requests(path: &std::path::Path) -> Vec<ExportTraceServiceRequest> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_read_back_as_what_was_sent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.jsonl");
    let viewer = RunningViewer::start(&["--at-end", "--json", path.to_str().unwrap()]).await;
    viewer.send(dispatch(1)).await;
    viewer.end_without_error().await;
    assert_eq!(read_requests(&path), dispatch(1));

    // A second run appends.
    let viewer = RunningViewer::start(&["--at-end", "--json", path.to_str().unwrap()]).await;
    viewer.send(dispatch(2)).await;
    viewer.end_without_error().await;
    assert_eq!(read_requests(&path), [dispatch(1), dispatch(2)].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_encoded_as_otlp_specifies() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.jsonl");
    let viewer = RunningViewer::start(&["--at-end", "--json", path.to_str().unwrap()]).await;
    let child = span(0xab, 1, "line\nbreak", 0, 5)
        .kind(SpanKind::Client)
        .int("n", 9_007_199_254_740_993);
    viewer.send(vec![application("a", vec![child])]).await;
    viewer.end_without_error().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    let span = &line["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "00000000000000000000000000000001");
    assert_eq!(span["spanId"], "00000000000000ab");
    assert_eq!(span["parentSpanId"], "0000000000000001");
    assert_eq!(span["startTimeUnixNano"], "1795335300000000000");
    assert_eq!(span["endTimeUnixNano"], "1795335300000005000");
    assert_eq!(span["kind"], 3);
    assert_eq!(
        span["attributes"][0]["value"]["intValue"],
        "9007199254740993"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_viewer_runs_on_without_its_file_and_fails_at_the_end() {
    let viewer = RunningViewer::start(&["--at-end", "--json", "/dev/full"]).await;
    viewer.send(dispatch(1)).await;
    let (result, printed) = viewer.end().await;
    assert!(printed.contains("client GET /dispatch"), "{printed}");
    let error = format!("{:#}", result.unwrap_err());
    assert!(
        error.contains("append to /dev/full: No space left"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_forwarded_over_both_protocols() {
    for path in ["grpc", "http"] {
        let directory = tempfile::tempdir().unwrap();
        let json = directory.path().join("collected.jsonl");
        let collector = RunningViewer::start(&["--at-end", "--json", json.to_str().unwrap()]).await;
        let url = match path {
            "grpc" => format!("http://{}", collector.bound.grpc),
            _ => format!("http://{}/v1/traces", collector.bound.http),
        };
        let viewer = RunningViewer::start(&["--at-end", "--forward", &url]).await;
        viewer.send(dispatch(1)).await;
        let printed = viewer.end_without_error().await;
        assert!(!printed.contains("not forwarded"), "{printed}");
        collector.end_without_error().await;
        assert_eq!(read_requests(&json), dispatch(1), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_an_unreachable_collector_are_counted() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for url in [
        format!("http://{unused}"),
        format!("http://{unused}/v1/traces"),
    ] {
        let viewer = RunningViewer::start(&["--at-end", "--forward", &url]).await;
        let requests = dispatch(1);
        let sent = requests.len();
        viewer.send(requests).await;
        let printed = viewer.end_without_error().await;
        assert!(printed.contains("client GET /dispatch"), "{printed}");
        let expected = format!("! requests not forwarded: {sent} (388 spans)\n");
        assert!(printed.contains(&expected), "{printed}");
    }
}

/// This collector accepts connections and never answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_does_not_delay_the_receiver() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let viewer = RunningViewer::start(&["--at-end", "--waterfalls", "0", "--forward", &url]).await;
    let started = std::time::Instant::now();
    for n in 1..=100 {
        viewer
            .send(vec![application("a", vec![span(n, 0, "x", 0, 1)])])
            .await;
    }
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    let printed = viewer.end_without_error().await;
    assert!(
        printed.contains("! requests not forwarded: 100 (100 spans)\n"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_urls_are_refused() {
    for url in [
        "",
        "collector:4317",
        "https://collector:4318/v1/traces",
        "http://collector:4318/other",
    ] {
        let error = tracer_view::sink::forward::Forward::start(url)
            .unwrap_err()
            .to_string();
        assert!(error.contains("give http://HOST:4317"), "{url}: {error}");
    }
}
