//! Any bytes as a recording, through all pure stages. Every record is counted, and every span has
//! ids, a name and an end that is not before its start. A span without a parent (a connect that failed, of
//! which no application told) is alone with that in its trace. Each record is redacted, too, and keeps its
//! length unless it is refused.
//!
//! The format is that of `hopspan run --record`, so that a recording is a seed and an input that
//! crashes is a recording; a length beyond the end means the rest.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::{decode::decode, http::UrlPaths, pipeline::Pipeline, redaction::Redactor};

const MAGIC: &[u8] = b"hopspan1";

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes.strip_prefix(MAGIC).unwrap_or(bytes);
    let mut pipeline = Pipeline::new("node");
    let mut redactor = Redactor::new(UrlPaths::Template);
    let mut spans = Vec::new();
    let mut records = 0;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let (record, after) = after.split_at(length.min(after.len()));
        pipeline.replay(record, &mut spans);
        let redacted = redactor.redact(record);
        assert!(redacted.len() == record.len() || decode(record).is_err());
        records += 1;
        rest = after;
    }
    pipeline.finish(&mut spans);
    let spans = spans.concat();

    let counts = pipeline.counts();
    assert_eq!(counts.records, records);
    assert_eq!(counts.spans, spans.len() as u64);
    assert!(counts.records_refused <= counts.records);
    assert!(counts.exchanges_traced <= counts.exchanges);
    let mut rooted = HashSet::new();
    for span in &spans {
        assert_ne!(span.trace_id.0, [0; 16]);
        assert_ne!(span.span_id.0, [0; 8]);
        let has_parent = span.parent_id.0 != [0; 8];
        assert!(
            has_parent || rooted.insert(span.trace_id.0),
            "{}",
            span.name
        );
        assert!(!span.name.is_empty());
        assert!(span.start_unix_ns <= span.end_unix_ns, "{}", span.name);
    }
});
