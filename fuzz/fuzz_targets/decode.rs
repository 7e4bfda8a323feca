//! Any bytes as one record, of the kernel programs or of the agent. What is decoded was in the record,
//! time does not run backwards, and a snapshot encodes to bytes that decode to the same snapshot.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::{
    decode::{Record, decode},
    pipeline::Snapshot,
};

fuzz_target!(|raw: &[u8]| {
    if let Some(Ok(snapshot)) = Snapshot::decode(raw) {
        assert_eq!(Snapshot::decode(&snapshot.encode()), Some(Ok(snapshot)));
    }
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
        Record::Window(window) => assert!(window.closed_ns <= window.at_ns),
        Record::FailedConnect(failed) => {
            assert!(failed.began_ns <= failed.at_ns);
            assert_ne!(failed.error, Some(0));
        }
        Record::Close(close) => assert_ne!(close.error, Some(0)),
        Record::Read(_) | Record::Device(_) => {}
    }
});
