//! Any bytes as one raw record. What is decoded was in the record, time does not run backwards, and
//! a snapshot of the clocks encodes to what it was decoded from.

#![no_main]

use tracer_pipeline::decode::{Record, Snapshot, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let Ok(record) = decode(raw) else {
        return;
    };
    match record {
        Record::Head(head) => assert!(head.bytes.len() <= raw.len()),
        Record::Fragment(fragment) => assert!(fragment.bytes.len() <= raw.len()),
        Record::Journey(journey) => {
            assert!(!journey.stamps.is_empty());
            assert!(journey.stamps.iter().is_sorted_by_key(|stamp| stamp.at_ns));
            assert!(journey.stamps[0].at_ns >= journey.start_ns);
        }
        Record::Snapshot(Snapshot::Clock(sample)) => {
            assert!(raw.starts_with(&Snapshot::Clock(sample).encode()));
        }
        Record::Window(window) => assert!(window.closed_ns <= window.at_ns),
        Record::FailedConnect(failed) => {
            assert!(failed.began_ns <= failed.at_ns);
            assert_ne!(failed.error, Some(0));
        }
        Record::Close(close) => assert_ne!(close.error, Some(0)),
        Record::Snapshot(
            Snapshot::Rules(_)
            | Snapshot::RuleFacts(_)
            | Snapshot::DropReasons(_)
            | Snapshot::Facts(_),
        )
        | Record::Read(_)
        | Record::Device(_) => {}
    }
});
