//! Frame headers and the fixed parts of payloads, from the tables of RFC 9113.

use proptest::prelude::*;

use super::*;
use crate::http2::wire;

fn nine(bytes: u32, kind: u8, flags: u8, stream: u32) -> [u8; HEADER_BYTES] {
    let [_, l0, l1, l2] = bytes.to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [l0, l1, l2, kind, flags, s0, s1, s2, s3]
}

#[test]
fn a_header_is_read_field_by_field() {
    let header = FrameHeader::parse(&[0x01, 0x02, 0x03, 0x01, 0x25, 0x80, 0, 0x01, 0x05, 0xff]);
    let expected = FrameHeader {
        payload_bytes: 0x01_02_03,
        kind: FrameType::Headers,
        flags: Flags(0x25),
        stream: 0x0105,
    };
    assert_eq!(header, Some(expected));
    assert_eq!(expected.frame_bytes(), 0x01_02_03 + 9);
    assert_eq!(FrameHeader::parse(&[0; 8]), None);
}

/// Each type with the lengths, flags and streams that section 6 allows, and with neighbouring
/// values.
#[test]
fn plausible_headers_follow_the_rules_of_their_type() {
    for (bytes, kind, flags, stream, expected) in [
        // DATA
        (0, 0, 0x01, 1, true),
        (16_384, 0, 0x09, 1, true),
        (16_385, 0, 0x00, 1, false),
        (10, 0, 0x00, 0, false),
        (10, 0, 0x04, 1, false),
        (0, 0, 0x08, 1, false),
        // HEADERS
        (10, 1, 0x04, 3, true),
        (10, 1, 0x2d, 3, true),
        (5, 1, 0x2d, 3, false),
        (10, 1, 0x02, 3, false),
        (10, 1, 0x04, 0, false),
        // PRIORITY
        (5, 2, 0, 3, true),
        (5, 2, 0, 0, false),
        (4, 2, 0, 3, false),
        // RST_STREAM
        (4, 3, 0, 3, true),
        (5, 3, 0, 3, false),
        (4, 3, 1, 3, false),
        // SETTINGS
        (0, 4, 1, 0, true),
        (18, 4, 0, 0, true),
        (17, 4, 0, 0, false),
        (6, 4, 1, 0, false),
        (6, 4, 0, 1, false),
        // PUSH_PROMISE
        (4, 5, 4, 1, true),
        (4, 5, 0x0c, 1, false),
        // PING
        (8, 6, 1, 0, true),
        (8, 6, 0, 1, false),
        (9, 6, 0, 0, false),
        // GOAWAY
        (8, 7, 0, 0, true),
        (40, 7, 0, 0, true),
        (7, 7, 0, 0, false),
        // WINDOW_UPDATE
        (4, 8, 0, 0, true),
        (4, 8, 0, 7, true),
        (4, 8, 1, 7, false),
        // CONTINUATION
        (10, 9, 4, 1, true),
        (10, 9, 1, 1, false),
        (10, 9, 4, 0, false),
        // Extensions, registered and not, and the reserved bit.
        (10, 0x10, 0, 0, true),
        (10, 0x0b, 0, 0, false),
        (10, 0x48, 0, 0, false),
        (10, 1, 4, 0x8000_0003, false),
    ] {
        let header = nine(bytes, kind, flags, stream);
        let seen = plausible(&header, DEFAULT_MAX_FRAME_BYTES);
        assert_eq!(
            seen, expected,
            "type {kind} flags {flags:#x} {bytes} bytes, stream {stream}"
        );
    }
}

/// Text protocols, TLS and the preface itself are not plausible as HTTP/2 frames.
#[test]
fn other_protocols_are_not_plausible() {
    for other in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"HTTP/1.1 200 OK\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x17\x03\x03\x00\x20\x00\x00\x00\x00",
        b"*1\r\n$4\r\nPING\r\n",
        PREFACE,
    ] {
        let header = other.first_chunk().expect("nine bytes");
        assert!(
            !plausible(header, DEFAULT_MAX_FRAME_BYTES),
            "{}",
            other.escape_ascii()
        );
    }
}

/// `payload` is a whole HEADERS payload; `expected` the block in it.
fn check_part(kind: u8, flags: u8, payload: &[u8], expected: Result<&[u8], FrameError>) {
    let frame = wire::frame(kind, flags, 1, payload);
    let header = FrameHeader::parse(&frame).expect("a frame");
    let seen = field_block_part(&header, payload);
    let expected = expected.map(|bytes| FieldBlockPart { bytes, cut: false });
    assert_eq!(seen, expected, "{flags:#x} {payload:02x?}");
}

#[test]
fn padding_and_priority_are_stripped() {
    check_part(1, 0x04, b"block", Ok(b"block"));
    check_part(1, 0x04, b"", Ok(b""));
    check_part(1, 0x0c, b"\x03block\0\0\0", Ok(b"block"));
    check_part(1, 0x0c, b"\x00block", Ok(b"block"));
    check_part(1, 0x24, b"\x80\0\0\0\x0fblock", Ok(b"block"));
    check_part(1, 0x2c, b"\x02\0\0\0\0\x0fblock\0\0", Ok(b"block"));
    check_part(5, 0x04, b"\0\0\0\x02block", Ok(b"block"));
    check_part(5, 0x0c, b"\x01\0\0\0\x02block\0", Ok(b"block"));
    // The same bits have no meaning on CONTINUATION.
    check_part(9, 0x2c, b"\x03block", Ok(b"\x03block"));
}

#[test]
fn hostile_padding_is_an_error() {
    check_part(1, 0x0c, b"\x05block", Ok(b""));
    check_part(1, 0x0c, b"\x06block", Err(FrameError::Padding));
    check_part(1, 0x0c, b"\xff", Err(FrameError::Padding));
    check_part(1, 0x0c, b"", Err(FrameError::Length));
    check_part(1, 0x24, b"\0\0\0\0", Err(FrameError::Length));
    check_part(1, 0x2c, b"\x01\0\0\0\0\x0f", Err(FrameError::Padding));
    check_part(5, 0x04, b"\0\0\0", Err(FrameError::Length));
}

#[test]
fn header_frames_need_a_stream() {
    let header = FrameHeader::parse(&nine(5, 1, 4, 0)).expect("a frame");
    assert_eq!(field_block_part(&header, b"block"), Err(FrameError::Stream));
}

/// Every prefix of a payload with padding and priority: the captured bytes of the block, never
/// padding, and `cut` exactly if bytes of the block are missing.
#[test]
fn every_prefix_of_a_payload_yields_the_bytes_before_the_cut() {
    let payload = b"\x02\0\0\0\0\x0fblock\0\0";
    let header = FrameHeader::parse(&nine(payload.len() as u32, 1, 0x2c, 1)).expect("a frame");
    for length in 0..=payload.len() {
        let part = field_block_part(&header, &payload[..length]).expect("no error in a prefix");
        let expected = &b"block"[..length.saturating_sub(6).min(5)];
        assert_eq!((part.bytes, part.cut), (expected, length < 11), "{length}");
    }
}

fn header_of(frame: &[u8]) -> FrameHeader {
    FrameHeader::parse(frame).expect("a frame")
}

#[test]
fn rst_stream_has_a_code() {
    let header = header_of(&nine(4, 3, 0, 5));
    assert_eq!(rst_stream(&header, &[0, 0, 0, 8]), Ok(8));
    assert_eq!(rst_stream(&header, &[0, 0, 0]), Err(FrameError::Length));
    let long = header_of(&nine(5, 3, 0, 5));
    assert_eq!(rst_stream(&long, &[0, 0, 0, 8, 0]), Err(FrameError::Length));
    let connection = header_of(&nine(4, 3, 0, 0));
    assert_eq!(
        rst_stream(&connection, &[0, 0, 0, 8]),
        Err(FrameError::Stream)
    );
}

#[test]
fn goaway_has_a_last_stream_and_a_code() {
    let header = header_of(&nine(20, 7, 0, 0));
    let payload = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, b'd', b'e', b'b'];
    let expected = GoAway {
        last_stream: 0x7fff_ffff,
        code: 2,
    };
    assert_eq!(goaway(&header, &payload), Ok(expected));
    assert_eq!(goaway(&header, &payload[..7]), Err(FrameError::Length));
    let stream = header_of(&nine(20, 7, 0, 1));
    assert_eq!(goaway(&stream, &payload), Err(FrameError::Stream));
}

#[test]
fn settings_limit_the_size_of_the_table() {
    let whole = header_of(&nine(12, 4, 0, 0));
    let table = [0, 1, 0, 1, 0, 0];
    let other = [0, 3, 0, 0, 0, 100];
    let both = [other, table].concat();
    assert_eq!(
        settings(&whole, &both),
        Ok(Settings::HeaderTableBytes(65_536))
    );
    let twice = [[0, 1, 0, 0, 0, 0], table].concat();
    assert_eq!(
        settings(&whole, &twice),
        Ok(Settings::HeaderTableBytes(65_536))
    );
    assert_eq!(
        settings(&whole, &[other, other].concat()),
        Ok(Settings::Unchanged)
    );
    assert_eq!(settings(&whole, &other), Ok(Settings::Cut));
    assert_eq!(settings(&whole, &both[..11]), Ok(Settings::Cut));
    assert_eq!(
        settings(&header_of(&nine(0, 4, 1, 0)), &[]),
        Ok(Settings::Unchanged)
    );
    assert_eq!(
        settings(&header_of(&nine(7, 4, 0, 0)), &both),
        Err(FrameError::Length)
    );
    assert_eq!(
        settings(&header_of(&nine(12, 4, 0, 1)), &both),
        Err(FrameError::Stream)
    );
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes: Vec<u8>) {
        crate::http2::fuzz::frame(&bytes);
    }

    /// An encoded header is parsed back.
    #[test]
    fn headers_round_trip(bytes in 0..1_u32 << 24, kind: u8, flags: u8, stream in 0..1_u32 << 31) {
        let header = header_of(&nine(bytes, kind, flags, stream));
        let expected = FrameHeader { payload_bytes: bytes, kind: kind.into(), flags: Flags(flags), stream };
        prop_assert_eq!(header, expected);
    }
}
