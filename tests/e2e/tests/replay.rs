//! A recording replays to the spans that the agent exported.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use hopspan_e2e::{
    DialogueFixture, Fixture, NodeAgent, Parent, Span, Traces, end, fill,
    http1::{HEAD_END, OK, request, traceparent},
    pause, play_client, replay, send, take, until,
};
use hopspan_lab::NodeOptions;
use tracer_common::RecordKind;
use tracer_pipeline::{pipeline::Snapshot, recording::Reader};

/// More than the queues of both sockets hold while the server does not read.
const BODY_BYTES: u64 = 16 << 20;
const PAUSE: Duration = Duration::from_millis(800);
/// No socket listens here.
const CLOSED_PORT: u16 = 9;

/// A span in one line, for the comparison.
fn in_a_line(span: &Span) -> String {
    let attributes: BTreeMap<&str, &str> = span
        .attributes
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    format!(
        "{} {} {} {} {} {} {attributes:?} {:?}",
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.name,
        span.start_ns,
        span.end_ns,
        span.events
    )
}

#[test]
fn a_recording_gives_the_spans_that_were_exported() {
    if hopspan_lab::skip("a_recording_gives_the_spans_that_were_exported") {
        return;
    }
    let agents = [NodeAgent::Right];
    let mut fixture = Fixture::start_recording("replay", NodeOptions::default(), &agents).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    hotrod.dispatch(3, 2).unwrap();
    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    let spans = assert_same(&outcome.traces, &outcome.recordings["node"]);
    assert!(spans > 3 * 12 * 20, "{spans} spans");
}

/// One dispatch. With UPDATE_EXPECTED=1 the recording becomes the one of which tracer-pipeline loses
/// each record in turn.
#[test]
fn a_recording_of_one_dispatch_gives_the_spans_that_were_exported() {
    if hopspan_lab::skip("a_recording_of_one_dispatch_gives_the_spans_that_were_exported") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dispatch.hopspan");
    let record = ["--record-raw", "--record", path.to_str().unwrap()];
    let mut fixture = Fixture::start_with("record", &record).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    hotrod.dispatch(1, 1).unwrap();
    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    let entries: Vec<Vec<u8>> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    assert_same(&outcome.traces, &entries);
    keep(&path, "dispatch.hopspan");
}

/// A dispatch over HTTP/1.1 and gRPC, a server that does not read, and a refused connect: together
/// they bring every kind of record. With UPDATE_EXPECTED=1 the recording becomes the one that
/// tracer-pipeline replays without privileges.
#[test]
fn a_recording_of_every_kind_gives_the_spans_that_were_exported() {
    if hopspan_lab::skip("a_recording_of_every_kind_gives_the_spans_that_were_exported") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("every-kind.hopspan");
    let record = ["--record-raw", "--record", path.to_str().unwrap()];
    let mut dialogues = DialogueFixture::start_with("every-kind", &record).unwrap();
    let lines = format!("Content-Length: {BODY_BYTES}\r\n");
    let head = request("POST", "/item", &(lines + &traceparent(&Parent::new())));
    dialogues
        .play(
            &[until(HEAD_END), pause(PAUSE), take(BODY_BYTES), send(OK)],
            &[send(head), fill(BODY_BYTES), until("ok")],
        )
        .unwrap();
    let closed = SocketAddr::new(dialogues.server.ip().into(), CLOSED_PORT);
    let mut refused = play_client(&dialogues.client, closed, &[end()]).unwrap();
    let status = refused.wait(Duration::from_secs(60)).unwrap();
    assert!(status.is_some_and(|status| !status.success()), "{status:?}");
    let hotrod = dialogues.fixture.hotrod().unwrap();
    hotrod.dispatch(1, 1).unwrap();
    hotrod.stop().unwrap();
    let outcome = dialogues.finish_after_close().unwrap();

    let entries: Vec<Vec<u8>> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    let kinds: BTreeSet<u32> = entries
        .iter()
        .map(|entry| u32::from_ne_bytes(*entry.first_chunk().unwrap()))
        .collect();
    let records = RecordKind::ALL.iter().map(|kind| *kind as u32);
    assert_eq!(kinds, records.chain(Snapshot::KINDS).collect());
    assert_same(&outcome.traces, &entries);
    keep(&path, "every-kind.hopspan");
}

/// Copies a recording to those of tracer-pipeline, if UPDATE_EXPECTED is set.
fn keep(path: &Path, name: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        let recordings = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tracer-pipeline/tests/recordings"
        );
        std::fs::copy(path, Path::new(recordings).join(name)).unwrap();
    }
}

/// Checks that the spans of a recording were exported, and no other. Returns their number.
fn assert_same(traces: &Traces, entries: &[Vec<u8>]) -> usize {
    let spans = replay("node", entries);
    let exported: BTreeSet<String> = traces
        .0
        .values()
        .flat_map(|trace| &trace.spans)
        .filter(|span| span.scope == tracer_semconv::scope::NAME)
        .map(in_a_line)
        .collect();
    assert_eq!(exported.len(), spans.len());
    assert_eq!(exported, spans.iter().map(in_a_line).collect());
    spans.len()
}
