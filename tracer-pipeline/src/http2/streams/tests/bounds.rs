//! Worst-case memory, and arbitrary bytes.

use proptest::prelude::*;

use super::*;

/// Each part of a connection's memory is at its bound at the same time: in both directions a table
/// full of large entries in a ring that was grown for small ones, an incomplete block of 16 KiB, an
/// incomplete frame of 16 KiB; and as many streams as are remembered.
#[test]
fn a_connection_at_its_worst_stays_within_the_bound() {
    let resize_64_kib = [0x3f, 0xe1, 0xff, 0x03];
    let small = [0x40, 0, 0].repeat(2048);
    // The table stores every name.
    let large = [&[0x40, 0x7f, 0x81, 0x76][..], &[b'n'; 15_360 - 128], &[0]].concat();
    let mut frames = Vec::new();
    for direction in [Direction::ToServer, Direction::ToClient] {
        let allow = wire::frame(4, 0, 0, &[0, 1, 0, 1, 0, 0]);
        frames.push((direction.opposite(), allow));
        let block = [&resize_64_kib[..], &small].concat();
        frames.push((direction, wire::headers(4, 1, &block)));
        frames.extend(vec![(direction, wire::headers(4, 1, &large)); 5]);
    }
    for stream in 0..2000 {
        frames.push((
            Direction::ToServer,
            wire::headers(4, 2 * stream + 1, &[0x82, 0x86, 0x84]),
        ));
    }
    for direction in [Direction::ToServer, Direction::ToClient] {
        frames.push((direction, wire::headers(0, 9, &[0x82; 16_384])));
        let mut open = wire::frame(9, 0, 9, &[0x82; 16_384]);
        open.truncate(16_000);
        frames.push((direction, open));
    }
    let mut connection = Http2Connection::new(Start::Preface);
    let seen = lines(&mut connection, &fragments(&frames));
    assert_eq!(seen.iter().find(|line| line.starts_with("desync")), None);
    let bytes = connection.heap_bytes() + size_of::<Http2Connection>();
    assert!(
        bytes > CONNECTION_MAX_BYTES * 3 / 4,
        "{bytes} of {CONNECTION_MAX_BYTES}"
    );
    assert!(
        bytes <= CONNECTION_MAX_BYTES,
        "{bytes} of {CONNECTION_MAX_BYTES}"
    );
    assert_eq!(
        connection.counts().streams_evicted,
        2000 - STREAMS_MAX as u64
    );
}

/// A connection with many ordinary calls stays below the documented 20 KiB.
#[test]
fn an_ordinary_connection_is_small() {
    let mut connection = Http2Connection::new(Start::Preface);
    let mut most = 0;
    for nth in 0..5000_u32 {
        let mut request = vec![0x83, 0x86, 0x84];
        let traceparent = format!("00-{nth:032x}-{:016x}-01", nth + 1);
        request.extend([0x40, 11]);
        request.extend(b"traceparent");
        request.push(55);
        request.extend(traceparent.as_bytes());
        let stream = 2 * nth + 1;
        let frames = [
            (Direction::ToServer, wire::headers(5, stream, &request)),
            (Direction::ToClient, wire::headers(5, stream, &[0x88])),
        ];
        let mut captured = fragments(&frames);
        captured
            .iter_mut()
            .for_each(|f| f.seq = f.seq.wrapping_add(nth * 1000));
        let seen = lines(&mut connection, &captured);
        assert_eq!(seen.len(), 2, "{seen:?}");
        most = most.max(connection.heap_bytes() + size_of::<Http2Connection>());
    }
    assert!(most < 20 * 1024, "{most}");
}

proptest! {
    /// Any fragments: no panic, and bounded memory after each.
    #[test]
    fn any_bytes_are_handled(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        crate::http2::fuzz::connection(&bytes);
    }

    /// The same with well-formed frames in any order.
    #[test]
    fn any_frames_are_handled(
        frames in prop::collection::vec(
            (any::<bool>(), 0..11_u8, any::<u8>(), 0..6_u32, prop::collection::vec(any::<u8>(), 0..40)),
            0..40,
        ),
    ) {
        let mut bytes = vec![frames.len() as u8];
        for (to_server, kind, flags, stream, payload) in frames {
            let frame = wire::frame(kind, flags, stream, &payload);
            bytes.extend([u8::from(to_server) | 2, 0, frame.len() as u8]);
            bytes.extend(frame);
        }
        crate::http2::fuzz::connection(&bytes);
    }
}
