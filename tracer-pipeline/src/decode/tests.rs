//! Records decode from bytes to the values that were encoded; other bytes are refused.

use std::net::SocketAddr;

use proptest::prelude::*;
use tracer_common::{
    RecordKind,
    close::{self, CLOSE_MIN_BYTES, CLOSE_SEQS_BYTES, CloseKind},
    failed_connect,
    hook::Hook,
    journey::{self, End, HEADER_BYTES},
    message::Message,
    read::{self, READ_MIN_BYTES},
    tuple::{self, mapped},
};
use zerocopy::{Immutable, IntoBytes};

use super::{DecodeError, Record, decode};

fn bytes_of(record: &(impl IntoBytes + Immutable)) -> Vec<u8> {
    record.as_bytes().to_vec()
}

fn journey() -> journey::Journey {
    let mut raw = journey::Journey::ZERO;
    raw.kind = RecordKind::Journey as u32;
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
fn a_journey_record_may_end_after_its_last_stamp() {
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
        assert!(decode(&bytes[..cut]).is_err(), "{cut} bytes");
    }
}

/// Old recordings have read records without `tgid` and what follows.
#[test]
fn a_read_record_may_lack_fields() {
    let raw = read::Read {
        kind: RecordKind::Read as u32,
        read_seq: 5,
        cookie: 7,
        tgid: 42,
        new_bytes: 10,
        ..read::Read::default()
    };
    let bytes = bytes_of(&raw);
    let fields = |bytes: &[u8]| match decode(bytes) {
        Ok(Record::Read(read)) => Some((read.cookie, read.tgid, read.new_from)),
        _ => None,
    };
    let new_from = 5_u32.wrapping_sub(10);
    assert_eq!(fields(&bytes), Some((7, Some(42), Some(new_from))));
    let begin = &bytes[..READ_MIN_BYTES];
    assert_eq!(fields(begin), Some((7, None, None)));
    for cut in 0..READ_MIN_BYTES {
        assert_eq!(fields(&bytes[..cut]), None, "{cut} bytes");
    }
}

/// Old recordings have close records without sequence numbers, or without the time of a loss.
#[test]
fn a_close_record_may_lack_fields() {
    let raw = close::Close {
        kind: RecordKind::Close as u32,
        what: CloseKind::PeerFinished as u32,
        cookie: 7,
        has_seqs: 1,
        received_seq: 500,
        sent_seq: 0,
        last_loss_ns: 3,
        ..close::Close::default()
    };
    let bytes = bytes_of(&raw);
    let close = |bytes: &[u8]| match decode(bytes) {
        Ok(Record::Close(close)) => Some(close),
        _ => None,
    };
    let seqs =
        |bytes: &[u8]| close(bytes).map(|close| (close.cookie, close.received_seq, close.sent_seq));
    let whole = Some((7, Some(500), Some(0)));
    assert_eq!(seqs(&bytes), whole);
    assert_eq!(close(&bytes).map(|close| close.last_loss_ns), Some(3));
    let begin = &bytes[..CLOSE_SEQS_BYTES];
    assert_eq!(seqs(begin), whole);
    assert_eq!(close(begin).map(|close| close.last_loss_ns), Some(0));
    for cut in CLOSE_MIN_BYTES..CLOSE_SEQS_BYTES {
        assert_eq!(seqs(&bytes[..cut]), Some((7, None, None)), "{cut} bytes");
    }
    for cut in 0..CLOSE_MIN_BYTES {
        assert_eq!(seqs(&bytes[..cut]), None, "{cut} bytes");
    }
    let of_mptcp = close::Close { has_seqs: 0, ..raw };
    assert_eq!(seqs(&bytes_of(&of_mptcp)), Some((7, None, None)));
}

#[test]
fn a_cut_failed_connect_is_refused() {
    let raw = failed_connect::FailedConnect {
        kind: RecordKind::FailedConnect as u32,
        error: 111,
        began_ns: 5,
        at_ns: 4,
        tuple: journey().sent,
        ..failed_connect::FailedConnect::default()
    };
    let bytes = bytes_of(&raw);
    let Ok(Record::FailedConnect(failed)) = decode(&bytes) else {
        panic!("no failed connect");
    };
    assert_eq!(failed.error, Some(111));
    assert_eq!(failed.sent.destination.to_string(), "10.96.0.11:8081");
    assert_eq!(failed.at_ns, 5, "at_ns is not before began_ns");
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err(), "{cut} bytes");
    }
}

#[test]
fn stamps_of_a_journey_never_run_backwards() {
    let mut raw = journey();
    raw.stamps[0].offset_ns = 700;
    let Ok(Record::Journey(decoded)) = decode(&bytes_of(&raw)) else {
        panic!("not a journey");
    };
    assert_eq!(decoded.stamps[1].at_ns, 1_700);
}

#[test]
fn a_number_out_of_range_is_refused_with_its_field() {
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

proptest! {
    #[test]
    fn decoding_any_bytes_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..900), kind in 0_u32..10) {
        let _ = decode(&bytes);
        let mut typed = kind.to_ne_bytes().to_vec();
        typed.extend(bytes);
        let _ = decode(&typed);
    }
}
