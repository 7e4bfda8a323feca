//! Records survive the way through bytes; what is not a record is refused and does no harm.

use std::net::SocketAddr;

use proptest::prelude::*;
use tracer_common::{
    hook::Hook,
    journey::{self, End, HEADER_BYTES},
    message::Message,
    tuple::{self, mapped},
};

use super::{
    ClockSample, DecodeError, DropReasons, Fact, Record, Snapshot, decode,
    fact::{Kind, PodFact},
};

/// The bytes of a `repr(C)` record without implicit padding.
fn bytes_of<T: Copy>(record: &T) -> Vec<u8> {
    // SAFETY: reads the bytes of a live value; the records have no implicit padding.
    unsafe { std::slice::from_raw_parts((&raw const *record).cast::<u8>(), size_of::<T>()) }
        .to_vec()
}

fn journey() -> journey::Journey {
    let mut raw = journey::Journey::ZERO;
    raw.kind = tracer_common::RecordKind::Journey as u32;
    raw.message = Message::Request as u8;
    raw.end = End::Socket as u8;
    raw.stamp_count = 2;
    raw.start_ns = 1_000;
    raw.sent = tuple::Tuple {
        source_be: mapped(u32::from_ne_bytes([10, 244, 0, 2])),
        destination_be: mapped(u32::from_ne_bytes([10, 96, 0, 11])),
        source_port_be: 40_000_u16.to_be(),
        destination_port_be: 8081_u16.to_be(),
    };
    raw.stamps[0].hook = Hook::CgroupEgress as u8;
    raw.stamps[1].hook = Hook::CgroupIngress as u8;
    raw.stamps[1].offset_ns = 500;
    raw
}

#[test]
fn a_journey_is_cut_after_its_last_stamp() {
    let bytes = bytes_of(&journey());
    let needed = HEADER_BYTES + 2 * size_of::<tracer_common::stamp::Stamp>();
    let Ok(Record::Journey(decoded)) = decode(&bytes[..needed]) else {
        panic!("not a journey");
    };
    let source: SocketAddr = "10.244.0.2:40000".parse().unwrap();
    assert_eq!(decoded.sent.source, source);
    assert_eq!(decoded.stamps.len(), 2);
    assert_eq!(decoded.stamps[1].at_ns, 1_500);
    for cut in 0..needed {
        assert!(decode(&bytes[..cut]).is_err(), "{cut} bytes are no journey");
    }
}

#[test]
fn time_never_runs_backwards_within_a_journey() {
    let mut raw = journey();
    raw.stamps[0].offset_ns = 700;
    let Ok(Record::Journey(decoded)) = decode(&bytes_of(&raw)) else {
        panic!("not a journey");
    };
    assert_eq!(decoded.stamps[1].at_ns, 1_700);
}

#[test]
fn enumerations_out_of_range_are_refused_by_name() {
    let mut raw = journey();
    raw.stamps[0].hook = 200;
    let refused = decode(&bytes_of(&raw)).err();
    assert_eq!(
        refused,
        Some(DecodeError::Value {
            field: "stamp hook",
            value: 200
        })
    );
}

#[test]
fn snapshots_survive_a_recording() {
    let clock = Snapshot::Clock(ClockSample {
        monotonic_ns: 7,
        realtime_ns: u64::MAX,
        uncertainty_ns: 9,
    });
    let facts = Snapshot::Facts(vec![
        Fact::Pod(PodFact {
            uid: "a".into(),
            addresses: vec!["10.244.1.2".parse().unwrap(), "fd00::2".parse().unwrap()],
            until_ns: Some(u64::MAX),
            ..PodFact::default()
        }),
        Fact::Listed {
            kind: Kind::Pod,
            at_ns: 7,
        },
    ]);
    let reasons = Snapshot::DropReasons(DropReasons {
        reasons: [(2, "NOT_SPECIFIED".into())].into(),
        subsystems: [(1, "MAC80211_UNUSABLE".into())].into(),
    });
    let texts = [
        Snapshot::Rules("*nat\nCOMMIT\n".into()),
        Snapshot::RuleFacts("{}".into()),
    ];
    for snapshot in [clock, facts, reasons].into_iter().chain(texts) {
        match decode(&snapshot.encode()) {
            Ok(Record::Snapshot(decoded)) => assert_eq!(decoded, snapshot),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn facts_that_are_cut_are_refused() {
    let whole = Snapshot::Facts(vec![Fact::Listing(Kind::Service)]).encode();
    for end in 4..whole.len() {
        assert_eq!(
            decode(&whole[..end]).err(),
            Some(DecodeError::Malformed { kind: 0x110 })
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..900), kind in 0_u32..10) {
        let _ = decode(&bytes);
        let mut typed = kind.to_ne_bytes().to_vec();
        typed.extend(bytes);
        let _ = decode(&typed);
    }
}
