//! The merge for OTLP gives the spans that the viewer shows, and keeps what the viewer does not.

use std::collections::HashMap;

use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status};
use tracer_semconv::attribute;
use tracer_view::merge::{merge, merge_requests};
use tracer_view::{MergeArgs, merge_files};

use crate::decoded::{by_id, spans};
use crate::fixture::two_nodes::{EXCHANGE, TwoNodes};
use crate::fixture::{spans_of, string};

#[test]
fn requests_are_merged_as_the_viewer_merges() {
    let case = TwoNodes {
        ahead_us: 50_000,
        ..TwoNodes::default()
    };
    let mut requests = case.requests().to_vec();
    for request in &mut requests[2..] {
        let exchange = spans_of(request)
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
    spans_of(&mut requests[3])[0].status = Some(Status {
        code: StatusCode::Error as i32,
        ..Status::default()
    });
    let failed = spans_of(&mut requests[3])[0].clone();
    let expected = by_id(&merge(&spans(&requests)));
    // A batch that is sent again changes nothing.
    requests.push(requests[3].clone());
    let merged = merge_requests(&requests);
    assert_eq!(
        merged[..2],
        requests[..2],
        "the application's spans stay as they are"
    );
    let found = by_id(&spans(&merged));
    assert_eq!(found.len(), expected.len());
    for (id, span) in &expected {
        let times = (found[id].start_ns, found[id].end_ns, &found[id].failure);
        assert_eq!(times, (span.start_ns, span.end_ns, &span.failure), "{id:x}");
    }
    let mut merged = merged;
    let all: Vec<OtlpSpan> = merged
        .iter_mut()
        .flat_map(spans_of)
        .map(|span| span.clone())
        .collect();
    let error = all
        .iter()
        .find(|span| span.span_id == failed.span_id)
        .unwrap();
    assert_eq!(error.status, failed.status);
    let is_exchange = |span: &&OtlpSpan| span.span_id == EXCHANGE.to_be_bytes();
    let exchange = all.iter().find(is_exchange).unwrap();
    let events: Vec<u64> = exchange
        .events
        .iter()
        .map(|event| event.time_unix_nano)
        .collect();
    let client_half = spans_of(&mut requests[2]).last().unwrap();
    // The server's half began when the SYN arrived: after 12 µs on the client's node and 195 µs on
    // the wire.
    let first_ns = client_half.start_time_unix_nano;
    assert_eq!(events, [first_ns + 1, first_ns + 207_001]);
    let attributes: HashMap<&str, String> = exchange
        .attributes
        .iter()
        .map(|kv| {
            (
                kv.key.as_str(),
                format!("{:?}", kv.value.as_ref().unwrap().value),
            )
        })
        .collect();
    assert_eq!(attributes.get(attribute::HALF), None);
    assert_eq!(
        attributes[attribute::CLOCK_SKEW_NS],
        "Some(IntValue(50005000))"
    );
    assert_eq!(
        attributes[attribute::CLOCK_SKEW_BOUND_NS],
        "Some(IntValue(195000))"
    );
    assert_eq!(
        attributes["of.both"],
        format!("Some(StringValue(\"{first_ns}\"))")
    );
}

#[test]
fn files_are_merged_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let requests = TwoNodes::default().requests();
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
