//! A recorded dispatch, with facts put into the stream as a running agent would.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::path::Path;

use tracer_pipeline::{
    decode::{
        ClockSample, Fact,
        fact::{CgroupFact, NodeFact, ObjectName, PodFact},
    },
    pipeline::{Pipeline, Snapshot},
    recording::Reader,
    span::{Span, Value},
};

const SECOND_NS: u64 = 1_000_000_000;
/// Kinds of records, as tracer-common numbers them.
const JOURNEY: u32 = 2;
const CLOCK: u32 = 0x100;
/// Where a journey has the cgroup of its sender.
const SENDER_CGROUP: usize = 32;
const CGROUP: u64 = 77;

fn records() -> Vec<Vec<u8>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/recordings/dispatch.hopspan"
    );
    Reader::open(Path::new(path))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn kind(record: &[u8]) -> u32 {
    u32::from_ne_bytes(*record.first_chunk().unwrap())
}

/// Puts all senders in one cgroup.
fn with_cgroup(mut record: Vec<u8>) -> Vec<u8> {
    if kind(&record) == JOURNEY {
        record[SENDER_CGROUP..SENDER_CGROUP + 8].copy_from_slice(&CGROUP.to_ne_bytes());
    }
    record
}

fn facts(facts: Vec<Fact>) -> Vec<u8> {
    Snapshot::Facts(facts).encode()
}

fn node() -> Vec<u8> {
    facts(vec![Fact::Node(NodeFact {
        name: "node".into(),
        addresses: Vec::new(),
    })])
}

fn pod() -> Vec<u8> {
    facts(vec![
        Fact::Cgroup(CgroupFact {
            id: CGROUP,
            pod_uid: "uid".into(),
            container_id: None,
        }),
        Fact::Pod(PodFact {
            uid: "uid".into(),
            pod: ObjectName {
                namespace: "shop".into(),
                name: "late".into(),
            },
            ..PodFact::default()
        }),
    ])
}

/// The last moment in a recording, and a moment after it.
fn clock_after(records: &[Vec<u8>], seconds: u64) -> Vec<u8> {
    let clocks = records.iter().filter(|record| kind(record) == CLOCK);
    let at = |record: &Vec<u8>| u64::from_ne_bytes(record[8..16].try_into().unwrap());
    let last_ns = clocks.map(at).max().unwrap();
    Snapshot::Clock(ClockSample {
        monotonic_ns: last_ns + seconds * SECOND_NS,
        realtime_ns: last_ns + seconds * SECOND_NS,
        uncertainty_ns: u32::MAX,
    })
    .encode()
}

fn sources(spans: &[Vec<Span>]) -> Vec<Option<String>> {
    let exchanges = spans.iter().flatten().filter(|span| {
        let role = span.attributes.first().map(|attribute| &attribute.value);
        role == Some(&Value::Text("request".into()))
    });
    let source = |span: &Span| {
        let mut attributes = span.attributes.iter();
        let key = "hopspan.source.k8s.pod.name";
        match &attributes.find(|attribute| attribute.key == key)?.value {
            Value::Shared(name) => Some(name.to_string()),
            _ => None,
        }
    };
    exchanges.map(source).collect()
}

/// The packets of a new pod are sooner here than its name: its exchanges wait for that.
#[test]
fn a_name_that_comes_a_moment_later_is_on_the_spans() {
    let mut pipeline = Pipeline::new("node");
    let mut spans = Vec::new();
    pipeline.replay(&node(), &mut spans);
    let records = records();
    for record in &records {
        // Without the clock's ticks nothing has waited too long.
        if kind(record) != CLOCK {
            pipeline.replay(&with_cgroup(record.clone()), &mut spans);
        }
    }
    assert!(spans.is_empty());
    pipeline.replay(&pod(), &mut spans);
    let named = sources(&spans);
    assert_eq!(named.len(), 13);
    assert!(
        named.iter().all(|name| name.as_deref() == Some("late")),
        "{named:?}"
    );
    assert_eq!(pipeline.counts().exchanges_unnamed, 0);
}

#[test]
fn a_name_that_does_not_come_is_not_waited_for_longer() {
    let mut pipeline = Pipeline::new("node");
    let mut spans = Vec::new();
    pipeline.replay(&node(), &mut spans);
    let records = records();
    for record in &records {
        pipeline.replay(&with_cgroup(record.clone()), &mut spans);
    }
    pipeline.replay(&clock_after(&records, 5), &mut spans);
    assert_eq!(sources(&spans), vec![None; 13]);
    let unnamed = pipeline.counts().exchanges_unnamed;
    assert!(unnamed > 0);
    // The next of the same socket's cgroup is not waited for at all.
    for record in &records {
        pipeline.replay(&with_cgroup(record.clone()), &mut spans);
    }
    assert_eq!(pipeline.counts().exchanges_unnamed, unnamed);
}

#[test]
fn what_waits_at_the_end_is_not_lost() {
    let mut pipeline = Pipeline::new("node");
    let mut spans = Vec::new();
    pipeline.replay(&node(), &mut spans);
    for record in records() {
        if kind(&record) != CLOCK {
            pipeline.replay(&with_cgroup(record), &mut spans);
        }
    }
    pipeline.finish(&mut spans);
    assert_eq!(sources(&spans).len(), 13);
}
