//! Redacted recordings replay to the spans of the raw ones, and have no secrets.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::path::Path;

use tracer_pipeline::{
    http::UrlPaths,
    pipeline::{Counts, Pipeline},
    recording::Reader,
    redaction::Redactor,
    span::{Detail, Span},
};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings");

fn entries(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(RECORDINGS).join(name);
    Reader::open(&path).unwrap().map(Result::unwrap).collect()
}

fn redacted(entries: &[Vec<u8>], url_paths: UrlPaths) -> Vec<Vec<u8>> {
    let mut redactor = Redactor::new(url_paths);
    let redact = |entry: &Vec<u8>| redactor.redact(entry).into_owned();
    entries.iter().map(redact).collect()
}

fn replay(entries: &[Vec<u8>], url_paths: UrlPaths) -> (Vec<Span>, Counts) {
    let mut pipeline = Pipeline::new("node");
    pipeline.detail().set_detail(Detail::Hop);
    pipeline.set_url_paths(url_paths);
    let mut spans = Vec::new();
    for entry in entries {
        pipeline.replay(entry, &mut spans);
    }
    pipeline.finish(&mut spans);
    (spans.concat(), pipeline.counts())
}

fn contains(entries: &[Vec<u8>], text: &str) -> bool {
    let mut windows = entries.iter().flat_map(|entry| entry.windows(text.len()));
    windows.any(|window| window == text.as_bytes())
}

#[test]
fn a_redacted_recording_replays_to_the_same_spans() {
    for name in ["dispatch.hopspan", "every-kind.hopspan"] {
        let raw = entries(name);
        for url_paths in [UrlPaths::Full, UrlPaths::Template, UrlPaths::Off] {
            let redacted = redacted(&raw, url_paths);
            for (raw, redacted) in raw.iter().zip(&redacted) {
                assert_eq!(raw.len(), redacted.len());
            }
            let (expected, counts) = replay(&raw, url_paths);
            let (spans, redacted_counts) = replay(&redacted, url_paths);
            assert_eq!(spans, expected, "{name} {url_paths}");
            assert_eq!(counts, redacted_counts, "{name} {url_paths}");
        }
    }
}

#[test]
fn secrets_are_gone() {
    let raw = entries("every-kind.hopspan");
    let redacted = redacted(&raw, UrlPaths::Template);
    for secret in [
        "customer=1",
        "hotrod/0.1.0",
        "application/json",
        "route-0",
        " GMT",
    ] {
        assert!(!contains(&redacted, secret), "{secret}");
    }
    assert!(contains(&redacted, "/dispatch?xxx"));
}
