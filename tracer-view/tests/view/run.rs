//! The viewer at work: what it prints, when, and how it ends.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tokio::sync::oneshot;
use tracer_view::view;

use crate::fixture::dispatch::dispatch;
use crate::fixture::{application, span};
use crate::running_viewer::{RunningViewer, view_args};

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_trace_is_printed_once_and_again_after_a_late_span() {
    let viewer = RunningViewer::start(&["--quiet-ms", "100"]).await;
    viewer
        .send(vec![application("a", vec![span(1, 0, "first", 0, 5)])])
        .await;
    viewer.wait(|printed| printed.contains("█ a first")).await;
    viewer
        .send(vec![application("a", vec![span(2, 1, "second", 1, 2)])])
        .await;
    viewer
        .wait(|printed| printed.contains("again, late spans: 1"))
        .await;
    let printed = viewer.end_without_error().await;
    assert_eq!(printed.matches("trace 0").count(), 2, "{printed}");
    assert!(
        printed.contains("no calls between services in 1 trace\n"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slowest_and_the_median_are_printed_at_the_end() {
    let viewer = RunningViewer::start(&[
        "--at-end",
        "--quiet-ms",
        "1",
        "--waterfalls",
        "2",
        "--width",
        "120",
    ])
    .await;
    viewer.send((1..=5).flat_map(dispatch).collect()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(viewer.printed(), "");
    let printed = viewer.end_without_error().await;
    let traces: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("trace "))
        .collect();
    assert_eq!(traces.len(), 2, "{traces:?}");
    assert!(
        traces[0].ends_with("slowest of 5") && traces[1].ends_with("median of 5"),
        "{traces:?}"
    );
    assert!(
        printed.contains("application time beside data-plane time, over 5 traces\n"),
        "{printed}"
    );
    assert!(
        printed.contains("frontend → route  50 calls, 15 opened a connection\n"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_spans_are_counted_at_the_end() {
    let viewer =
        RunningViewer::start(&["--at-end", "--max-traces", "2", "--waterfalls", "0"]).await;
    viewer.send((1..=3).flat_map(dispatch).collect()).await;
    viewer.send(dispatch(3)).await;
    let mut invalid = span(7, 0, "invalid", 0, 1);
    invalid.trace_id.clear();
    viewer.send(vec![application("a", vec![invalid])]).await;
    let printed = viewer.end_without_error().await;
    assert!(printed.contains("over 2 traces\n"), "{printed}");
    assert!(
        printed.contains(
            "! oldest traces dropped: 1 (388 spans); raise --max-traces or --max-spans\n"
        ),
        "{printed}"
    );
    assert!(
        printed.contains("! spans rejected for invalid ids: 1\n"),
        "{printed}"
    );
    assert!(
        printed.contains("spans sent again and kept once: 388\n"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_with_too_many_spans_is_marked() {
    let viewer = RunningViewer::start(&["--at-end", "--max-spans", "3"]).await;
    viewer
        .send(vec![application(
            "a",
            (1..=5).map(|id| span(id, id - 1, "x", id, 9)).collect(),
        )])
        .await;
    let printed = viewer.end_without_error().await;
    assert!(
        printed.contains("incomplete, spans refused: 2\n"),
        "{printed}"
    );
    assert!(
        printed.contains("! spans refused because their trace was full: 2\n"),
        "{printed}"
    );
}

/// Exporters keep their connections open, and may hang in the middle of a request.
#[tokio::test(flavor = "multi_thread")]
async fn open_connections_do_not_delay_the_end() {
    let viewer = RunningViewer::start(&["--at-end"]).await;
    let mut idle_grpc = viewer.grpc().await;
    idle_grpc
        .export(application("a", vec![span(1, 0, "x", 0, 1)]))
        .await
        .unwrap();
    let idle_http = TcpStream::connect(viewer.bound.http).unwrap();
    let started = Instant::now();
    let address = viewer.bound;
    assert!(viewer.end_without_error().await.contains("█ a x"));
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    assert!(TcpStream::connect(address.grpc).is_err() && TcpStream::connect(address.http).is_err());
    drop((idle_grpc, idle_http));

    let viewer = RunningViewer::start(&["--at-end"]).await;
    let mut hanging = TcpStream::connect(viewer.bound.http).unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    hanging.write_all(head.as_bytes()).unwrap();
    viewer
        .send(vec![application("a", vec![span(1, 0, "y", 0, 1)])])
        .await;
    let started = Instant::now();
    assert!(viewer.end_without_error().await.contains("█ a y"));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_output_ends_the_viewer_without_an_error() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let args = view_args(&["--quiet-ms", "20"]);
    let (ready, bound) = oneshot::channel();
    let never = std::future::pending();
    let viewer = tokio::spawn(view(args, Gone, false, never, |bound| {
        ready.send(bound).unwrap();
    }));
    let address = bound.await.unwrap().grpc;
    let mut client = TraceServiceClient::connect(format!("http://{address}"))
        .await
        .unwrap();
    client
        .export(application("a", vec![span(1, 0, "x", 0, 1)]))
        .await
        .unwrap();
    drop(client);
    tokio::time::timeout(Duration::from_secs(20), viewer)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
