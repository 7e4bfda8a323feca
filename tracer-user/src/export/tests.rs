//! The export against a collector that gives every answer of the OTLP specification, and others.

mod answers;
mod collector;

use std::{future::pending, time::Instant};

use prost::bytes::Bytes;

use super::{
    reference::{bare_span, edge_from},
    settings::Settings,
    *,
};
use collector::{Collector, Reply};

/// The timeout of a request.
const TIMEOUT: Duration = Duration::from_millis(400);
const FLUSH: Duration = Duration::from_secs(30);
/// The spans of an exchange.
const SPANS: usize = 3;
const NOISY: &str = "noisy";
const QUIET: &str = "quiet";

fn transport(endpoint: &str, protocol: &str) -> Transport {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = Settings::from(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.to_owned()),
        "OTEL_EXPORTER_OTLP_PROTOCOL" => Some(protocol.to_owned()),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("api-key=a%20b".to_owned()),
        "OTEL_EXPORTER_OTLP_TIMEOUT" => Some(TIMEOUT.as_millis().to_string()),
        _ => None,
    });
    Transport::of(settings.unwrap()).unwrap()
}

fn exporter(endpoint: &str, protocol: &str, queue_spans: usize) -> Exporter {
    let limits = Limits {
        queue_spans,
        batch_spans: SPANS,
        batch_wait: Duration::from_millis(10),
    };
    Exporter::new(transport(endpoint, protocol), limits)
}

/// Makes an exchange of this caller.
fn push(exporter: &Exporter, caller: &str) {
    exporter.push(&edge_from(caller), vec![bare_span(); SPANS]);
}

/// Every span is in one counter.
#[track_caller]
fn check(totals: Totals, sent: usize, failed: usize, dropped: usize) {
    let expected = Totals {
        made: (sent + failed + dropped) as u64,
        sent: sent as u64,
        failed: failed as u64,
        dropped: dropped as u64,
    };
    assert_eq!(totals, expected);
}

#[tokio::test]
async fn an_outage_loses_nothing_that_the_queue_holds() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start(vec![]).await;
        let address = collector.address;
        collector.stop().await;
        let exporter = exporter(&format!("http://{address}"), protocol, 1000);
        for _ in 0..40 {
            push(&exporter, NOISY);
            sleep(Duration::from_millis(50)).await;
        }
        let collector = Collector::start_at(address, vec![]).await;
        let totals = exporter.finish(FLUSH, pending()).await;
        check(totals, 40 * SPANS, 0, 0);
        assert_eq!(collector.spans(), 40 * SPANS);
    }
}

#[tokio::test]
async fn an_outage_longer_than_the_queue_drops_what_the_busiest_pair_has_too_much() {
    let collector = Collector::start(vec![Reply::Hang, Reply::Hang]).await;
    let exporter = exporter(&collector.endpoint(), "http/protobuf", 4 * SPANS);
    push(&exporter, QUIET);
    // The first is in a batch, which the collector does not answer.
    sleep(TIMEOUT / 4).await;
    for _ in 0..6 {
        push(&exporter, NOISY);
    }
    check_waiting(&exporter, 4 * SPANS);
    let totals = exporter.finish(FLUSH, pending()).await;
    // The batch goes back to the queue, of which it takes its part from the busy pair.
    check(totals, 4 * SPANS, 0, 3 * SPANS);
    assert_eq!(collector.requests(), 2 + 4);
}

fn check_waiting(exporter: &Exporter, spans: usize) {
    assert_eq!(exporter.queue().spans, spans as u64);
}

#[tokio::test]
async fn what_a_hanging_collector_has_not_accepted_at_the_end_has_failed() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start(vec![Reply::Hang; 100]).await;
        let exporter = exporter(&collector.endpoint(), protocol, 1000);
        for _ in 0..5 {
            push(&exporter, NOISY);
        }
        let started = Instant::now();
        let totals = exporter.finish(Duration::from_secs(1), pending()).await;
        assert!(started.elapsed() < Duration::from_secs(2));
        check(totals, 0, 5 * SPANS, 0);
    }
}

#[tokio::test]
async fn an_interrupt_ends_the_flush_at_once() {
    let collector = Collector::start(vec![Reply::Hang; 100]).await;
    let exporter = exporter(&collector.endpoint(), "http/protobuf", 1000);
    push(&exporter, NOISY);
    let started = Instant::now();
    let totals = exporter.finish(FLUSH, sleep(TIMEOUT / 4)).await;
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    check(totals, 0, SPANS, 0);
}

#[tokio::test]
async fn the_headers_go_to_the_endpoint_and_nowhere_else() {
    let other = Collector::start(vec![]).await;
    for status in [301, 302, 303, 307, 308] {
        let place = format!("{}/v1/traces", other.endpoint());
        let reply = Reply::Http(status, vec![("location", place)], Vec::new());
        let collector = Collector::start(vec![reply]).await;
        let transport = transport(&collector.endpoint(), "http/protobuf");
        let error = transport.send(Bytes::new()).await.unwrap_err();
        assert!(!error.can_retry);
        assert!(error.reason.contains("which is not followed"), "{error}");
        assert_eq!(collector.headers("api-key"), ["a b"]);
        assert_eq!(collector.headers("b3"), ["0"]);
    }
    assert_eq!(other.requests(), 0);
}
