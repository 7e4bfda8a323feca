//! The merge for OTLP gives the spans that the viewer shows, and keeps what the viewer does not.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status};
use tracer_semconv::{Role, attribute, event};
use tracer_view::merge::{merge, merge_requests};
use tracer_view::span::Span;
use tracer_view::{MergeArgs, merge_files};

use crate::decoded::{by_id, spans};
use crate::fixture::two_nodes::{CLIENT_SPAN, CONNECT, REQUEST, RESPONSE, SERVER_HALVES, TwoNodes};
use crate::fixture::{spans_of, string};

/// The merged requests, after checks that hold for all: the viewer shows the same of them as of the
/// halves, and nothing is left to merge.
fn merged(requests: &[ExportTraceServiceRequest]) -> Vec<ExportTraceServiceRequest> {
    let merged = merge_requests(requests);
    let (found, expected) = (merge(&spans(&merged)).into_owned(), spans(requests));
    let times = |spans: &[Span]| {
        let one = |span: &Span| {
            let role = span.role().map_or("application", Role::as_str);
            (role, span.start_ns, span.end_ns, span.failure.clone())
        };
        let mut times: Vec<_> = spans.iter().map(one).collect();
        times.sort();
        times
    };
    assert_eq!(times(&found), times(&merge(&expected)));
    by_id(&found);
    assert_eq!(merge_requests(&merged), merged);
    merged
}

fn all_spans(requests: &mut [ExportTraceServiceRequest]) -> Vec<OtlpSpan> {
    requests
        .iter_mut()
        .flat_map(|request| spans_of(request).clone())
        .collect()
}

/// The attributes of the span with this id.
fn attributes(spans: &[OtlpSpan], id: u64) -> HashMap<String, Value> {
    let span = spans
        .iter()
        .find(|span| span.span_id == id.to_be_bytes())
        .unwrap();
    let values = span.attributes.iter().map(|kv| {
        let value = kv.value.clone().unwrap().value.unwrap();
        (kv.key.clone(), value)
    });
    values.collect()
}

#[test]
fn requests_are_merged_as_the_viewer_merges() {
    let case = TwoNodes {
        ahead_us: 50_000,
        ..TwoNodes::default()
    };
    let mut requests = case.requests().to_vec();
    for (request, id) in requests[2..].iter_mut().zip([REQUEST, SERVER_HALVES[2]]) {
        let half = spans_of(request)
            .iter_mut()
            .find(|span| span.span_id == id.to_be_bytes());
        let half = half.unwrap();
        half.events.push(Event {
            time_unix_nano: half.start_time_unix_nano + 1,
            name: "seen".to_owned(),
            ..Event::default()
        });
        half.attributes
            .push(string("of.both", &half.start_time_unix_nano.to_string()));
        half.attributes
            .push(string(attribute::LONGEST_HOP_NAME, "veth"));
    }
    let failed = &mut spans_of(&mut requests[3])[0];
    failed.status = Some(Status {
        code: StatusCode::Error as i32,
        ..Status::default()
    });
    let failed = failed.clone();
    // A batch that is sent again changes nothing.
    let once = merged(&requests);
    requests.push(requests[3].clone());
    let mut merged = merge_requests(&requests);
    assert_eq!(merged[..4], once);
    assert!(spans_of(&mut merged[4]).is_empty());
    assert_eq!(
        merged[..2],
        requests[..2],
        "the application's spans stay as they are"
    );
    let all = all_spans(&mut merged);
    let find = |id: &[u8]| all.iter().find(|span| span.span_id == id).unwrap();
    assert_eq!(find(&failed.span_id).status, failed.status);
    let whole = find(&REQUEST.to_be_bytes());
    assert_eq!(whole.name, "request");
    assert_eq!(whole.parent_span_id, CLIENT_SPAN.to_be_bytes());
    let events: Vec<u64> = whole
        .events
        .iter()
        .map(|event| event.time_unix_nano)
        .collect();
    // The server's half began when the request arrived: after 12 µs on the client's node and 205 µs
    // on the wire, because the clock is found to be 5 µs further ahead than it is.
    let first_ns = whole.start_time_unix_nano;
    assert_eq!(events, [first_ns + 1, first_ns + 217_001]);
    let attributes = attributes(&all, REQUEST);
    assert_eq!(attributes.get(attribute::HALF), None);
    assert_eq!(attributes.get(attribute::HOPS), None);
    let text = |text: &str| Value::StringValue(text.to_owned());
    let expected = [
        (attribute::CLOCK_SKEW_NS, Value::IntValue(50_005_000)),
        (attribute::CLOCK_SKEW_BOUND_NS, Value::IntValue(195_000)),
        (attribute::LONGEST_HOP_NAME, text("wire")),
        (attribute::LONGEST_HOP_DURATION_NS, Value::IntValue(205_000)),
        ("of.both", text(&first_ns.to_string())),
    ];
    for (key, value) in expected {
        assert_eq!(attributes[key], value, "{key}");
    }
}

/// The server's half alone is moved into the client's span, and stays a half.
#[test]
fn one_half_is_written_as_a_half() {
    for hop_spans in [[true, true], [false, false]] {
        let case = TwoNodes {
            ahead_us: -50_000,
            hop_spans,
            ..TwoNodes::default()
        };
        let [client, server, _, of_2] = case.requests();
        let sent = [client, server, of_2];
        let (mut merged, mut sent) = (merged(&sent), sent);
        let [merged, sent] =
            [&mut merged[2], &mut sent[2]].map(|request| spans_of(request).clone());
        assert_eq!(merged.len(), sent.len());
        for (merged, sent) in merged.iter().zip(&sent) {
            assert_eq!(merged.name, sent.name);
            assert!(merged.start_time_unix_nano > sent.start_time_unix_nano);
            assert_eq!(merged.attributes, sent.attributes);
        }
    }
}

/// Where no agent sent hops as spans, the merged path has them as an attribute, the wire included;
/// where one did, all are spans.
#[test]
fn hops_are_written_as_they_were_sent() {
    let of = |hop_spans: [bool; 2]| {
        let case = TwoNodes {
            hop_spans,
            ..TwoNodes::default()
        };
        all_spans(&mut merged(&case.requests()))
    };
    let spans = of([false, false]);
    assert_eq!(spans.len(), 2 + 3);
    let hops = |path: u64| attributes(&spans, path).remove(attribute::HOPS);
    let text = |text: &str| Some(Value::StringValue(text.to_owned()));
    let request = "client.stack 4000, veth 2000, netfilter.postrouting 6000, wire eth0 210000, \
        netfilter.prerouting 3000, veth 2000, server.stack 5000, socket.queue 15000";
    assert_eq!(hops(REQUEST), text(request));
    let connect = "client.stack 4000, veth 2000, netfilter.postrouting 6000, wire eth0 200000, \
        netfilter.prerouting 3000, veth 2000, server.stack 5000, client.stack 4000, veth 2000, \
        netfilter.postrouting 6000, wire eth0 200000, netfilter.prerouting 3000, veth 2000, \
        server.stack 5000";
    assert_eq!(hops(CONNECT), text(connect));
    for mixed in [[true, true], [true, false], [false, true]] {
        let spans = of(mixed);
        assert_eq!(spans.len(), 2 + 3 + 14 + 8 + 8, "{mixed:?}");
        assert_eq!(attributes(&spans, REQUEST).get(attribute::HOPS), None);
    }
}

/// Each node saw a part of the body; the server's part is not the client's wait.
#[test]
fn the_body_of_a_response_is_written_once() {
    for hop_spans in [[true, true], [false, false]] {
        let case = TwoNodes {
            body_us: 700,
            hop_spans,
            ..TwoNodes::default()
        };
        let mut requests = case.requests();
        for (request, id) in requests[2..].iter_mut().zip([RESPONSE, SERVER_HALVES[3]]) {
            let half = spans_of(request).iter_mut();
            let mut half = half.filter(|span| span.span_id == id.to_be_bytes());
            half.next().unwrap().events.push(Event {
                name: event::RESPONSE_FIRST_BYTE.to_owned(),
                ..Event::default()
            });
        }
        let spans = all_spans(&mut merged(&requests));
        let response = spans
            .iter()
            .find(|span| span.span_id == RESPONSE.to_be_bytes())
            .unwrap();
        assert_eq!(response.events.len(), 1);
        // Until the first byte is read, and the body.
        let took_ns = response.end_time_unix_nano - response.start_time_unix_nano;
        assert_eq!(took_ns, (12 + 190 + 10 + 12 + 700) * 1_000);
        let bodies = spans.iter().filter(|span| span.name == "body").count();
        let text = attributes(&spans, RESPONSE).remove(attribute::HOPS);
        let in_text = text.map(|text| format!("{text:?}").matches("body").count());
        assert_eq!(
            (bodies, in_text),
            if hop_spans[0] {
                (1, None)
            } else {
                (0, Some(1))
            }
        );
    }
}

/// A wire that took no time ends a microsecond after its start, as agents write such spans.
#[test]
fn short_spans_are_written_as_agents_write_them() {
    let case = TwoNodes {
        wire_us: [0, 0, 0, 0],
        ..TwoNodes::default()
    };
    let mut requests = merged(&case.requests());
    let spans = all_spans(&mut requests);
    let wires: Vec<&OtlpSpan> = spans.iter().filter(|span| span.name == "wire").collect();
    assert_eq!(wires.len(), 4);
    for wire in wires {
        let id = u64::from_be_bytes(wire.span_id.clone().try_into().unwrap());
        assert_eq!(wire.end_time_unix_nano - wire.start_time_unix_nano, 1_000);
        assert_eq!(
            attributes(&spans, id)[attribute::DURATION_NS],
            Value::IntValue(0)
        );
    }
}

#[test]
fn the_roots_of_two_nodes_are_written_as_one() {
    let case = TwoNodes {
        untraced: true,
        ..TwoNodes::default()
    };
    let spans = all_spans(&mut merged(&case.requests()));
    let roots: Vec<&OtlpSpan> = spans
        .iter()
        .filter(|span| span.parent_span_id.is_empty())
        .collect();
    assert_eq!(roots.len(), 1);
    assert_eq!(roots[0].name, "GET stock");
    let below = spans
        .iter()
        .filter(|span| span.parent_span_id == roots[0].span_id);
    assert_eq!(below.count(), 3);
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
