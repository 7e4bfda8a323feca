//! The bounds of the store, and its counts.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use tracer_view::decode::decode;
use tracer_view::store::{Counts, Limits, Store};

use crate::decoded::WIDE;
use crate::fixture::{application, span, trace_id};

fn spans(trace: u64, ids: std::ops::RangeInclusive<u64>) -> Vec<OtlpSpan> {
    ids.map(|id| OtlpSpan {
        trace_id: trace_id(trace),
        ..span(id, 0, "s", id, 1)
    })
    .collect()
}

fn insert(store: &mut Store, spans: Vec<OtlpSpan>, now: Instant) {
    store.insert(decode(&application("test", spans)).spans, now);
}

/// Trace id and number of spans of each trace, oldest first.
fn kept(store: &Store) -> Vec<(String, usize)> {
    store
        .traces()
        .map(|t| {
            (
                t.id.to_string().trim_start_matches('0').to_owned(),
                t.spans.len(),
            )
        })
        .collect()
}

fn check(limits: Limits, batches: &[(u64, u64)], expected: &[(&str, usize)], counts: Counts) {
    let mut store = Store::new(limits);
    for &(trace, last) in batches {
        insert(&mut store, spans(trace, 1..=last), Instant::now());
    }
    let expected: Vec<_> = expected.iter().map(|&(id, n)| (id.to_owned(), n)).collect();
    assert_eq!(kept(&store), expected);
    assert_eq!(store.counts(), counts);
}

#[test]
fn a_span_sent_again_is_kept_once() {
    check(
        WIDE,
        &[(1, 3), (1, 5)],
        &[("1", 5)],
        Counts {
            offered: 8,
            duplicates: 3,
            ..Counts::default()
        },
    );
}

#[test]
fn the_oldest_trace_is_evicted_first() {
    let counts = Counts {
        offered: 6,
        evicted_traces: 1,
        evicted_spans: 2,
        ..Counts::default()
    };
    check(
        Limits { traces: 2, ..WIDE },
        &[(1, 2), (2, 3), (3, 1)],
        &[("2", 3), ("3", 1)],
        counts,
    );
    let counts = Counts {
        offered: 9,
        evicted_traces: 1,
        evicted_spans: 3,
        ..Counts::default()
    };
    check(
        Limits { spans: 6, ..WIDE },
        &[(1, 3), (2, 3), (3, 3)],
        &[("2", 3), ("3", 3)],
        counts,
    );
}

#[test]
fn one_trace_cannot_evict_the_others() {
    let counts = Counts {
        offered: 12,
        over_trace_limit: 6,
        ..Counts::default()
    };
    check(
        Limits {
            spans_per_trace: 4,
            ..WIDE
        },
        &[(1, 10), (2, 2)],
        &[("1", 4), ("2", 2)],
        counts,
    );
}

#[test]
fn limits_of_zero_are_one() {
    let none = Limits {
        traces: 0,
        spans: 0,
        spans_per_trace: 0,
        source_bytes: 0,
    };
    check(
        none,
        &[(1, 1)],
        &[("1", 1)],
        Counts {
            offered: 1,
            ..Counts::default()
        },
    );
}

#[test]
fn a_trace_is_quiet_after_a_time_without_spans() {
    let start = Instant::now();
    let after = |ms| start + Duration::from_millis(ms);
    let quiet = Duration::from_millis(100);
    let mut store = Store::new(WIDE);
    insert(&mut store, spans(1, 1..=2), start);
    insert(&mut store, spans(2, 1..=1), after(60));
    assert_eq!(store.quiet(after(99), quiet), []);
    let first = store.quiet(after(120), quiet);
    assert_eq!(first.len(), 1);
    store.mark_printed(first[0]);
    assert_eq!(store.quiet(after(120), quiet), []);
    assert_eq!(store.quiet(after(160), quiet).len(), 1);

    // A batch that is sent again adds no span; a late span does.
    insert(&mut store, spans(1, 1..=2), after(200));
    assert!(!store.quiet(after(400), quiet).contains(&first[0]));
    insert(&mut store, spans(1, 3..=3), after(400));
    assert!(store.quiet(after(500), quiet).contains(&first[0]));
    let trace = store.get(first[0]).unwrap();
    assert!(trace.was_printed());
    assert_eq!(trace.new_spans(), 1);
}
