//! A recording of real traffic replays to known spans, with no privilege.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{collections::BTreeSet, env, fs, path::Path};

use tracer_common::RecordKind;
use tracer_pipeline::{
    pipeline::{Counts, Pipeline, Snapshot},
    recording::Reader,
    span::{Detail, Span, Value},
};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings");

fn replay(name: &str) -> (Vec<Span>, Counts) {
    let path = Path::new(RECORDINGS).join(name);
    let mut pipeline = Pipeline::new("node");
    pipeline.detail().set_detail(Detail::Hop);
    let mut spans = Vec::new();
    for record in Reader::open(&path).unwrap() {
        pipeline.replay(&record.unwrap(), &mut spans);
    }
    pipeline.finish(&mut spans);
    (spans.concat(), pipeline.counts())
}

/// A span in one line: ids, name, nanoseconds, attributes.
fn line(span: &Span) -> String {
    let mut line = format!(
        "{} {} < {} {} +{}",
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.start_unix_ns,
        span.end_unix_ns - span.start_unix_ns
    );
    line += &format!(" {:?}", span.name);
    for attribute in &span.attributes {
        match &attribute.value {
            Value::Text(text) => line += &format!(" {}={text}", attribute.key),
            Value::Shared(text) => line += &format!(" {}={text}", attribute.key),
            Value::Bool(value) => line += &format!(" {}={value}", attribute.key),
            Value::Int(number) => line += &format!(" {}={number}", attribute.key),
        }
    }
    line + "\n"
}

/// Compares spans with the file of the recording's name. Run with UPDATE_EXPECTED=1 to write it anew.
fn check(name: &str, spans: &[Span]) {
    let text: String = spans.iter().map(line).collect();
    let expected = Path::new(RECORDINGS).join(name);
    if env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected, &text).unwrap();
    }
    let expected = fs::read_to_string(&expected).unwrap();
    for (index, (line, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(line, expected, "span {index}");
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

#[test]
fn a_dispatch_replays_to_its_spans() {
    let (spans, counts) = replay("dispatch.hopspan");
    assert_eq!(counts.exchanges_traced, 13);
    assert_eq!(counts.records_refused, 0);
    check("dispatch.spans", &spans);
}

#[test]
fn records_of_every_kind_replay_to_their_spans() {
    let (spans, counts) = replay("every-kind.hopspan");
    // The dispatch, and the request to a server that does not read.
    assert_eq!(counts.exchanges_traced, 14);
    assert_eq!(counts.records_refused, 0);
    check("every-kind.spans", &spans);
}

#[test]
fn the_recordings_have_every_kind_of_record() {
    let path = Path::new(RECORDINGS).join("every-kind.hopspan");
    let kinds: BTreeSet<u32> = Reader::open(&path)
        .unwrap()
        .map(|entry| u32::from_ne_bytes(*entry.unwrap().first_chunk().unwrap()))
        .collect();
    let records = RecordKind::ALL.iter().map(|kind| *kind as u32);
    assert_eq!(kinds, records.chain(Snapshot::KINDS).collect());
}

#[test]
fn a_replay_gives_the_same_spans_every_time() {
    assert_eq!(replay("dispatch.hopspan").0, replay("dispatch.hopspan").0);
}

/// Losing any one record loses no more than the exchange it belongs to.
#[test]
fn one_lost_record_costs_one_exchange() {
    let path = Path::new(RECORDINGS).join("dispatch.hopspan");
    let records: Vec<Vec<u8>> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    for lost in 0..records.len() {
        let mut pipeline = Pipeline::new("node");
        let mut spans = Vec::new();
        for (_, record) in records
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != lost)
        {
            pipeline.replay(record, &mut spans);
        }
        pipeline.finish(&mut spans);
        let traced = pipeline.counts().exchanges_traced;
        assert!(traced >= 12, "without record {lost}: {traced} exchanges");
    }
}
