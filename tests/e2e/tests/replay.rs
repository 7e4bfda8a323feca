//! A recording replays to the spans that the agent exported.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::collections::{BTreeMap, BTreeSet};

use hopspan_e2e::{Fixture, NodeAgent, Span};
use hopspan_lab::NodeOptions;
use tracer_pipeline::{pipeline::Pipeline, span};

/// An exported span in one line, for the comparison.
fn exported(span: &Span) -> String {
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

/// A replayed span in the same form.
fn replayed(span: &span::Span) -> String {
    let texts: Vec<(&str, String)> = span
        .attributes
        .iter()
        .map(|attribute| match &attribute.value {
            span::Value::Text(text) => (attribute.key, text.to_string()),
            span::Value::Shared(text) => (attribute.key, text.to_string()),
            span::Value::Bool(truth) => (attribute.key, truth.to_string()),
            span::Value::Int(number) => (attribute.key, number.to_string()),
        })
        .collect();
    let attributes: BTreeMap<&str, &str> = texts
        .iter()
        .map(|(key, text)| (*key, text.as_str()))
        .collect();
    let events: Vec<&str> = span.events.iter().map(|event| event.name).collect();
    format!(
        "{} {} {} {} {} {} {attributes:?} {events:?}",
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.name,
        span.start_unix_ns,
        span.end_unix_ns
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

    let mut pipeline = Pipeline::new("node");
    let mut spans = Vec::new();
    for record in &outcome.recordings["node"] {
        pipeline.replay(record, &mut spans);
    }
    pipeline.finish(&mut spans);
    let spans = spans.concat();

    let exported: BTreeSet<String> = outcome
        .traces
        .0
        .values()
        .flat_map(|trace| &trace.spans)
        .filter(|span| span.scope == "hopspan")
        .map(exported)
        .collect();
    let replayed: BTreeSet<String> = spans.iter().map(replayed).collect();
    assert_eq!(exported.len(), spans.len());
    assert!(exported.len() > 3 * 12 * 20, "{} spans", exported.len());
    assert_eq!(exported, replayed);
}
