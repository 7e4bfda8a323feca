//! Blocks of one and of many frames, and every invalid order of frames.

use super::*;
use crate::http2::wire;

/// Feeds frames; `expected` has a line per block or error: `stream bytes [end] [cut] [promise]`.
fn check(frames: &[Vec<u8>], expected: &[&str]) {
    let mut assembler = BlockAssembler::default();
    let mut seen = Vec::new();
    for (nth, bytes) in frames.iter().enumerate() {
        let frame = Frame {
            seq: nth as u32,
            header: FrameHeader::parse(bytes).expect("a frame"),
            payload: &bytes[9..],
        };
        match assembler.frame(&frame) {
            Ok(Some(block)) => seen.push(line(&block)),
            Ok(None) => {}
            Err(error) => {
                seen.push(format!("{error:?}"));
                seen.extend(assembler.abandon().as_ref().map(line));
            }
        }
        assert!(assembler.heap_bytes() <= BLOCK_MAX_BYTES);
    }
    assert_eq!(seen, expected);
}

fn line(block: &HeaderBlock<'_>) -> String {
    let mut line = format!("{} {}", block.stream, block.bytes.escape_ascii());
    for (set, word) in [
        (block.end_stream, " end"),
        (block.cut, " cut"),
        (block.promise, " promise"),
    ] {
        line.push_str(if set { word } else { "" });
    }
    line
}

#[test]
fn one_frame_is_a_block() {
    check(&[wire::headers(0x04, 1, b"ab")], &["1 ab"]);
    check(&[wire::headers(0x05, 3, b"ab")], &["3 ab end"]);
    check(
        &[wire::headers(0x2d, 3, b"\x01\0\0\0\0\x0fab\0")],
        &["3 ab end"],
    );
    check(
        &[wire::frame(5, 0x04, 1, b"\0\0\0\x02ab")],
        &["1 ab promise"],
    );
}

#[test]
fn continuations_are_appended() {
    check(
        &[
            wire::headers(0x09, 1, b"\x02ab\0\0"),
            wire::continuation(0, 1, b"cd"),
            wire::continuation(0, 1, b""),
            wire::continuation(0x04, 1, b"ef"),
            wire::headers(0x04, 3, b"gh"),
        ],
        &["1 abcdef end", "3 gh"],
    );
    check(
        &[
            wire::frame(5, 0, 1, b"\0\0\0\x02ab"),
            wire::continuation(0x04, 1, b"cd"),
        ],
        &["1 abcd promise"],
    );
}

#[test]
fn frames_without_fields_are_no_blocks() {
    check(
        &[
            wire::frame(3, 0, 1, &[0; 4]),
            wire::frame(0x42, 0xff, 1, b"x"),
        ],
        &[],
    );
}

/// RFC 9113 sections 6.10 and 4.3: no other frame may interrupt a block.
#[test]
fn frames_in_invalid_order_are_errors() {
    check(
        &[wire::continuation(0x04, 1, b"ab")],
        &["ContinuationAlone"],
    );
    check(
        &[
            wire::headers(0, 1, b"ab"),
            wire::continuation(0x04, 3, b"cd"),
        ],
        &["ContinuationStream", "1 ab cut"],
    );
    for between in [
        wire::headers(0x04, 3, b"cd"),
        wire::frame(3, 0, 1, &[0; 4]),
        wire::frame(0, 0, 1, b"data"),
        wire::frame(5, 4, 1, b"\0\0\0\x02"),
    ] {
        check(
            &[
                wire::headers(0, 1, b"ab"),
                between,
                wire::continuation(0x04, 1, b""),
            ],
            &["Interrupted", "1 ab cut", "ContinuationAlone"],
        );
    }
    check(&[wire::headers(0x0c, 1, b"\x09ab")], &["Padding"]);
    check(&[wire::headers(0x04, 0, b"ab")], &["Stream"]);
}

/// A flood of CONTINUATION frames takes no more memory than the bound, and the block is marked as
/// cut.
#[test]
fn a_long_block_is_cut() {
    let long = vec![b'x'; BLOCK_MAX_BYTES];
    let kept = String::from_utf8(long.clone()).unwrap();
    check(&[wire::headers(0x04, 1, &long)], &[&format!("1 {kept}")]);
    check(
        &[wire::headers(0x04, 1, &[&long[..], b"y"].concat())],
        &[&format!("1 {kept} cut")],
    );
    let mut flood = vec![wire::headers(0, 1, &long[..10_000])];
    flood.extend(vec![wire::continuation(0, 1, &long[..10_000]); 1000]);
    flood.push(wire::continuation(0x04, 1, b"z"));
    check(&flood, &[&format!("1 {kept} cut")]);
}

/// Bytes behind a gap are not appended to those before it.
#[test]
fn nothing_is_appended_after_a_cut() {
    let mut assembler = BlockAssembler::default();
    let mut feed = |bytes: &[u8], payload_bytes: usize| {
        let header = FrameHeader::parse(bytes).expect("a frame");
        let payload = &bytes[9..9 + payload_bytes];
        let frame = Frame {
            seq: 0,
            header,
            payload,
        };
        assembler.frame(&frame).unwrap().as_ref().map(line)
    };
    assert_eq!(feed(&wire::headers(0, 1, b"abcdef"), 3), None);
    let last = feed(&wire::continuation(0x04, 1, b"gh"), 2);
    assert_eq!(last.as_deref(), Some("1 abc cut"));
}
