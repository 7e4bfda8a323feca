//! OTLP is merged to what the viewer shows, and keeps what the viewer does not.

use std::collections::HashMap;

use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status};
use tracer_semconv::attribute;
use tracer_view::merge::{merge, merge_requests};
use tracer_view::{MergeArgs, merge_files};

use crate::fixture::between::{Between, EXCHANGE};
use crate::fixture::string;
use crate::halves::{by_id, spans};

#[test]
fn requests_are_merged_alike() {
    let between = Between {
        ahead_us: 50_000,
        ..Between::default()
    };
    let mut requests = between.requests().to_vec();
    for request in &mut requests[2..] {
        let spans = &mut request.resource_spans[0].scope_spans[0].spans;
        let exchange = spans
            .iter_mut()
            .find(|span| span.span_id == EXCHANGE.to_be_bytes());
        let exchange = exchange.unwrap();
        exchange.events.push(Event {
            time_unix_nano: exchange.start_time_unix_nano + 1,
            name: "seen".to_owned(),
            ..Event::default()
        });
        exchange.attributes.push(string(
            "of.both",
            &exchange.start_time_unix_nano.to_string(),
        ));
    }
    requests[3].resource_spans[0].scope_spans[0].spans[0].status = Some(Status {
        code: StatusCode::Error as i32,
        ..Status::default()
    });
    let failed = requests[3].resource_spans[0].scope_spans[0].spans[0].clone();
    let expected = by_id(&merge(&spans(&requests)));
    // A batch that is sent again changes nothing.
    requests.push(requests[3].clone());
    let merged = merge_requests(&requests);
    assert_eq!(merged[..2], requests[..2], "the application's own");
    let found = by_id(&spans(&merged));
    assert_eq!(found.len(), expected.len());
    for (id, span) in &expected {
        let times = (found[id].start_ns, found[id].end_ns, &found[id].failure);
        assert_eq!(times, (span.start_ns, span.end_ns, &span.failure), "{id:x}");
    }
    let all = merged
        .iter()
        .flat_map(|request| &request.resource_spans[0].scope_spans[0].spans);
    let all: Vec<_> = all.collect();
    let error = all
        .iter()
        .find(|span| span.span_id == failed.span_id)
        .unwrap();
    assert_eq!(error.status, failed.status);
    let is_exchange = |span: &&&OtlpSpan| span.span_id == EXCHANGE.to_be_bytes();
    let exchange = all.iter().find(is_exchange).unwrap();
    let events: Vec<u64> = exchange
        .events
        .iter()
        .map(|event| event.time_unix_nano)
        .collect();
    let client_ns = requests[2].resource_spans[0].scope_spans[0]
        .spans
        .last()
        .unwrap();
    // The server's half began when the SYN had come: on the way for 12 and 195 µs.
    let first_ns = client_ns.start_time_unix_nano;
    assert_eq!(events, [first_ns + 1, first_ns + 207_001]);
    let said: HashMap<&str, String> = exchange
        .attributes
        .iter()
        .map(|kv| {
            (
                kv.key.as_str(),
                format!("{:?}", kv.value.as_ref().unwrap().value),
            )
        })
        .collect();
    assert_eq!(said.get(attribute::HALF), None);
    assert_eq!(said[attribute::CLOCK_SKEW_NS], "Some(IntValue(50005000))");
    assert_eq!(
        said[attribute::CLOCK_SKEW_BOUND_NS],
        "Some(IntValue(195000))"
    );
    assert_eq!(
        said["of.both"],
        format!("Some(StringValue(\"{first_ns}\"))")
    );
}

#[test]
fn files_are_merged_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let requests = Between::default().requests();
    let line = |request| serde_json::to_string(request).unwrap() + "\n";
    let files = [&requests[..2], &requests[2..]].map(|requests| {
        let path = directory.path().join(requests.as_ptr().addr().to_string());
        std::fs::write(&path, requests.iter().map(line).collect::<String>()).unwrap();
        path
    });
    let merge = |files: &[std::path::PathBuf]| {
        let files = files.to_vec();
        let mut out = Vec::new();
        merge_files(&MergeArgs { files }, &mut out).map(|()| String::from_utf8(out).unwrap())
    };
    let expected: String = merge_requests(&requests).iter().map(line).collect();
    assert_eq!(merge(&files).unwrap(), expected);
    std::fs::write(&files[1], "\n{}\n{").unwrap();
    let error = format!("{:#}", merge(&files).unwrap_err());
    assert!(error.starts_with("line 3 of "), "{error}");
}
