//! Each answer of the OTLP specification, and what becomes of the batch.

use axum::http::StatusCode;
use futures_util::future::join_all;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::*;

/// Sends an exchange to a collector that gives this answer first and then accepts. Returns how many
/// requests it got, what became of the spans, and how long that took.
async fn outcome(protocol: &str, reply: Reply) -> (usize, Totals, Duration) {
    let collector = Collector::start(vec![reply]).await;
    let exporter = exporter(&collector.endpoint(), protocol, 1000);
    push(&exporter, NOISY);
    let started = Instant::now();
    let totals = exporter.finish(FLUSH, pending()).await;
    (collector.requests(), totals, started.elapsed())
}

async fn check_sent_again(protocol: &str, reply: Reply) -> Duration {
    let name = format!("{protocol} {reply:?}");
    let (requests, totals, took) = outcome(protocol, reply).await;
    assert_eq!(requests, 2, "{name}");
    check(totals, SPANS, 0, 0);
    took
}

async fn check_given_up(protocol: &str, reply: Reply) {
    let name = format!("{protocol} {reply:?}");
    let (requests, totals, _) = outcome(protocol, reply).await;
    assert_eq!(requests, 1, "{name}");
    check(totals, 0, SPANS, 0);
}

fn http(status: u16) -> Reply {
    Reply::Http(status, Vec::new(), Vec::new())
}

fn grpc(code: Code) -> Reply {
    Reply::Grpc(Status::new(code, "a reason"))
}

/// A status with RetryInfo.
fn grpc_later(code: Code, delay: Option<Duration>) -> Reply {
    let details = ErrorDetails::with_retry_info(delay);
    Reply::Grpc(Status::with_error_details(code, "later", details))
}

#[tokio::test]
async fn http_answers_that_pass_are_sent_again_and_no_others() {
    join_all([429, 502, 503, 504].map(|status| check_sent_again("http/protobuf", http(status))))
        .await;
    let final_ones = (300..600).filter(|status| {
        ![429, 502, 503, 504].contains(status) && StatusCode::from_u16(*status).is_ok()
    });
    for status in final_ones {
        check_given_up("http/protobuf", http(status)).await;
    }
}

#[tokio::test]
async fn grpc_answers_that_pass_are_sent_again_and_no_others() {
    let temporary = [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ];
    join_all(temporary.map(|code| check_sent_again("grpc", grpc(code)))).await;
    let info = Some(Duration::from_millis(1));
    check_sent_again("grpc", grpc_later(Code::ResourceExhausted, info)).await;
    check_sent_again("grpc", grpc_later(Code::ResourceExhausted, None)).await;
    let final_ones = [
        Code::Unknown,
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Unimplemented,
        Code::Internal,
        Code::Unauthenticated,
    ];
    join_all(final_ones.map(|code| check_given_up("grpc", grpc(code)))).await;
}

#[tokio::test]
async fn a_collector_decides_when_it_is_asked_again() {
    let seconds = check_sent_again("http/protobuf", later("2".to_owned()));
    // Dates have whole seconds.
    let date = std::time::SystemTime::now() + Duration::from_secs(3);
    let date = check_sent_again("http/protobuf", later(httpdate::fmt_http_date(date)));
    let info = Some(Duration::from_secs(2));
    let info = check_sent_again("grpc", grpc_later(Code::Unavailable, info));
    for took in join_all([
        Box::pin(seconds) as std::pin::Pin<Box<dyn Future<Output = Duration>>>,
        Box::pin(date),
        Box::pin(info),
    ])
    .await
    {
        let expected = Duration::from_millis(1900)..Duration::from_secs(5);
        assert!(expected.contains(&took), "{took:?}");
    }
}

fn later(value: String) -> Reply {
    Reply::Http(503, vec![("retry-after", value)], Vec::new())
}

#[tokio::test]
async fn a_hang_or_a_lost_connection_is_sent_again() {
    for protocol in ["http/protobuf", "grpc"] {
        check_sent_again(protocol, Reply::Hang).await;
        check_sent_again(protocol, Reply::Close).await;
    }
}

#[tokio::test]
async fn what_a_partial_success_rejects_has_failed() {
    let answer = |rejected_spans| ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans,
            error_message: "too long".into(),
        }),
    };
    // More than there were, and fewer than none, are the collector's mistakes.
    for (rejected, failed) in [(0, 0), (1, 1), (99, SPANS), (-1, 0)] {
        let body = answer(rejected).encode_to_vec();
        let reply = Reply::Http(200, Vec::new(), body);
        let (requests, totals, _) = outcome("http/protobuf", reply).await;
        assert_eq!(requests, 1);
        check(totals, SPANS - failed, failed, 0);
    }
}

#[tokio::test]
async fn the_error_has_the_collectors_own_reason() {
    let message = tonic_types::Status {
        code: 3,
        message: "no such tenant".into(),
        details: Vec::new(),
    };
    let body = message.encode_to_vec();
    let with_words = [
        ("http/protobuf", Reply::Http(400, Vec::new(), body)),
        (
            "http/protobuf",
            Reply::Http(400, Vec::new(), b"no such tenant".to_vec()),
        ),
        (
            "grpc",
            Reply::Grpc(Status::invalid_argument("no such tenant")),
        ),
    ];
    for (protocol, reply) in with_words {
        let collector = Collector::start(vec![reply]).await;
        let transport = transport(&collector.endpoint(), protocol);
        let error = transport.send(Bytes::new()).await.unwrap_err();
        assert!(error.reason.ends_with(": no such tenant"), "{error}");
    }
}
