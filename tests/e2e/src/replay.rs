//! Replays what an agent recorded.
//!
//! In: the entries of a recording, and the name of the agent's node. Out: the spans that the agent
//! exported with `--detail hop`, without their resource, which is no part of a recording.

use std::collections::BTreeMap;

use tracer_pipeline::{
    http::UrlPaths,
    pipeline::Pipeline,
    span::{self, Attribute, Detail, Value},
};

use crate::Span;

/// OTLP's SPAN_KIND_INTERNAL.
const INTERNAL: i32 = 1;
/// OTLP's STATUS_CODE_ERROR.
const ERROR: i32 = 2;

/// The spans of a recording.
pub fn replay(node: &str, entries: &[Vec<u8>]) -> Vec<Span> {
    let mut pipeline = Pipeline::new(node);
    pipeline.detail().set_detail(Detail::Hop);
    pipeline.set_url_paths(UrlPaths::Full);
    let mut spans = Vec::new();
    for entry in entries {
        pipeline.replay(entry, &mut spans);
    }
    pipeline.finish(&mut spans);
    spans.iter().flatten().map(exported).collect()
}

/// A span as the agent exports it.
fn exported(span: &span::Span) -> Span {
    let is_root = span.parent_id.0 == [0; 8];
    let links = span.links.iter();
    Span {
        trace_id: span.trace_id.to_string(),
        span_id: span.span_id.to_string(),
        parent_id: match is_root {
            true => String::new(),
            false => span.parent_id.to_string(),
        },
        name: span.name.clone().into_owned(),
        kind: INTERNAL,
        start_ns: span.start_unix_ns,
        end_ns: span.end_unix_ns,
        attributes: texts(&span.attributes),
        resource: BTreeMap::new(),
        scope: tracer_semconv::scope::NAME.to_owned(),
        events: span.events.iter().map(|of| of.name.to_owned()).collect(),
        links: links
            .map(|link| (link.trace_id.to_string(), link.span_id.to_string()))
            .collect(),
        event_attributes: span.events.iter().map(|of| texts(&of.attributes)).collect(),
        status: if span.error.is_some() { ERROR } else { 0 },
    }
}

fn texts(attributes: &[Attribute]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::Text(text) => text.to_string(),
        Value::Shared(text) => text.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
    };
    attributes
        .iter()
        .map(|attribute| (attribute.key.to_owned(), text(&attribute.value)))
        .collect()
}
