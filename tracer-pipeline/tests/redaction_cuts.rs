//! Heads and header blocks that are cut anywhere, redacted piece by piece: they read as before, and have
//! no secrets.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use httlib_hpack::{Decoder, Encoder};
use proptest::{collection::vec, prelude::*};
use tracer_common::{
    RecordKind,
    fragment::{self, STARTS_FRAME},
    head,
    message::Message,
};
use tracer_pipeline::{
    http::{UrlPaths, head::RequestHead},
    http2::{Direction, Event, FrameFragment, Http2Connection, Start},
    redaction::Redactor,
};
use zerocopy::{FromZeros as _, IntoBytes as _};

const SECRET: &str = "S3cr3tT0k3n-vxqzk";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn head_record(seq: usize, continues: bool, bytes: &[u8]) -> Vec<u8> {
    let mut raw = head::Head::new_zeroed();
    raw.kind = RecordKind::Head as u32;
    raw.captured_bytes = bytes.len() as u32;
    raw.payload_bytes = bytes.len() as u32;
    raw.message = Message::Request as u8;
    raw.seq = seq as u32;
    raw.continues = u8::from(continues);
    // Behind the copied bytes a record may have others.
    [raw.as_bytes(), bytes, SECRET.as_bytes()].concat()
}

fn fragment_record(seq: usize, flags: u8, bytes: &[u8]) -> Vec<u8> {
    let mut raw = fragment::Fragment::new_zeroed();
    raw.kind = RecordKind::Fragment as u32;
    raw.captured_bytes = bytes.len() as u32;
    raw.seq = seq as u32;
    raw.flags = flags;
    [raw.as_bytes(), bytes].concat()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn a_head_cut_anywhere() {
    let raw = format!(
        "POST /users/{SECRET}/a?token={SECRET} HTTP/1.1\r\nHost: me:{SECRET}@shop\r\nCookie: {SECRET}\r\n {SECRET}\r\n\
         traceparent: {TRACE}\r\nTransfer-Encoding: chunked\r\n\r\n3;a={SECRET}\r\nkey\r\n0\r\nT: {SECRET}\r\n\r\n"
    );
    let raw = raw.as_bytes();
    let whole = RequestHead::parse(raw).unwrap();
    for cut in 1..=raw.len() {
        let mut redactor = Redactor::new(UrlPaths::Template);
        let (first, rest) = raw.split_at(cut);
        let mut redacted = Vec::new();
        for (seq, piece) in [(0, first), (cut, rest)] {
            let record = head_record(seq, seq > 0, piece);
            let record = redactor.redact(&record);
            assert!(!contains(&record, SECRET), "cut at {cut}");
            let begin = size_of::<head::Head>();
            redacted.extend_from_slice(&record[begin..begin + piece.len()]);
        }
        assert!(!contains(&redacted, "S3cr3tT0k3n"), "cut at {cut}");
        assert!(!contains(&redacted, "key"), "cut at {cut}");
        let head = RequestHead::parse(&redacted).unwrap();
        assert_eq!(head.method, whole.method, "cut at {cut}");
        assert_eq!(
            (head.trace, head.body),
            (whole.trace, whole.body),
            "cut at {cut}"
        );
        assert_eq!(head.head_len, whole.head_len, "cut at {cut}");
        // No span has the host, which is redacted as a whole where it is cut.
        let host = head.host.unwrap();
        assert!(
            host == "shop" || host.starts_with("xx"),
            "cut at {cut}: {host}"
        );
        let sizes = [&b"\r\n3;"[..], b"\r\n0\r\n"];
        let is_whole = cut >= whole.head_len.unwrap();
        let keeps = |size: &[u8]| redacted.windows(size.len()).any(|window| window == size);
        assert!(
            is_whole || sizes.iter().all(|size| keeps(size)),
            "cut at {cut}"
        );
    }
}

/// Two requests of one connection, as an encoder sends them that indexes all it can.
fn blocks() -> [Vec<u8>; 2] {
    let mut encoder = Encoder::with_dynamic_size(4096);
    let flags = Encoder::WITH_INDEXING | Encoder::BEST_FORMAT;
    let mut encode = |huffman: u8, path: &str| {
        let mut block = Vec::new();
        for (name, value) in [
            (":method", "GET"),
            (":path", path),
            (":authority", "me:S3cr3tT0k3n-vxqzk@shop"),
            ("cookie", SECRET),
            ("traceparent", TRACE),
            ("x-custom", SECRET),
        ] {
            let field = (
                name.as_bytes().to_vec(),
                value.as_bytes().to_vec(),
                flags | huffman,
            );
            encoder.encode(field, &mut block).unwrap();
        }
        block
    };
    [
        encode(
            Encoder::HUFFMAN_VALUE,
            "/users/4711/a?token=S3cr3tT0k3n-vxqzk",
        ),
        encode(0, "/dispatch"),
    ]
}

fn headers(stream: u8, block: &[u8]) -> Vec<u8> {
    let length = u8::try_from(block.len()).unwrap();
    // HEADERS with END_STREAM and END_HEADERS.
    [&[0, 0, length, 1, 5, 0, 0, 0, stream][..], block].concat()
}

fn events(pieces: &[(usize, u8, Vec<u8>)]) -> Vec<Event> {
    let mut connection = Http2Connection::new(Start::Preface);
    let mut events = Vec::new();
    for (seq, flags, bytes) in pieces {
        let fragment = FrameFragment {
            direction: Direction::ToServer,
            seq: *seq as u32,
            starts_frame: flags & STARTS_FRAME != 0,
            cut: false,
            lost_before: false,
            bytes,
        };
        connection.fragment(&fragment, &mut |event| events.push(event));
    }
    events
}

/// What a decoder reads of the blocks: names and values.
fn decoded(frames: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::with_dynamic_size(4096);
    let mut text = Vec::new();
    let mut rest = frames;
    while let Some((header, payload)) = rest.split_at_checked(9) {
        let (block, behind) = payload.split_at(usize::from(header[2]));
        let mut fields = Vec::new();
        decoder.decode(&mut block.to_vec(), &mut fields).unwrap();
        text.extend(
            fields
                .into_iter()
                .flat_map(|(name, value, _)| [name, value].concat()),
        );
        rest = behind;
    }
    text
}

#[test]
fn a_header_block_cut_anywhere() {
    let [first, second] = blocks();
    let first = headers(1, &first);
    let second = headers(3, &second);
    for cut in 9..first.len() {
        let (one, other) = first.split_at(cut);
        let raw = [
            (0, STARTS_FRAME, one.to_vec()),
            (cut, 0, other.to_vec()),
            (first.len(), STARTS_FRAME, second.clone()),
        ];
        let mut redactor = Redactor::new(UrlPaths::Template);
        let redacted = raw.clone().map(|(seq, flags, bytes)| {
            let record = fragment_record(seq, flags, &bytes);
            let record = redactor.redact(&record);
            (
                seq,
                flags,
                record[size_of::<fragment::Fragment>()..].to_vec(),
            )
        });
        let frames: Vec<u8> = redacted
            .iter()
            .flat_map(|(_, _, bytes)| bytes.clone())
            .collect();
        let text = decoded(&frames);
        assert!(!contains(&text, "S3cr3tT0k3n"), "cut at {cut}");
        assert!(!contains(&text, "4711"), "cut at {cut}");
        let (expected, seen) = (events(&raw), events(&redacted));
        assert_eq!(seen.len(), expected.len(), "cut at {cut}");
        let mut paths = Vec::new();
        for (expected, seen) in expected.into_iter().zip(seen) {
            let [expected, seen] = [expected, seen].map(|event| match event {
                Event::Request { headers, .. } => headers,
                other => panic!("{other:?}"),
            });
            paths.push(seen.path.clone());
            assert_eq!(seen.method, expected.method, "cut at {cut}");
            assert_eq!(seen.trace, expected.trace, "cut at {cut}");
            assert_eq!(seen.incomplete, expected.incomplete, "cut at {cut}");
        }
        let id = paths[0]
            .as_deref()
            .map(|path| path.starts_with("/users/") && path.ends_with("/a"));
        assert_ne!(id, Some(false), "cut at {cut}: {paths:?}");
        assert_eq!(paths[1].as_deref(), Some("/dispatch"), "cut at {cut}");
    }
}

/// Pieces of messages, and what is none.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let texts = [
        "GET /a?b HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\r\n",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Content-Length: 3\r\n",
        "3;a\r\nabc\r\n0\r\n\r\n",
        "\r\n",
        ":",
        " ",
        "\0\0\x04\x01\x05\0\0\0\x01",
        "\0\0\x03\x09\x04\0\0\0\x01",
        "\x40\x01a\x01b",
        "\x04\x05/a?bc",
        "\0\0\x09\x04\0\0\0\0\0",
    ];
    let text = proptest::sample::select(texts.to_vec()).prop_map(|text| text.as_bytes().to_vec());
    let piece = prop_oneof![3 => text, 1 => vec(any::<u8>(), 0..20)];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_records_keep_their_lengths(
        records in vec((any::<bool>(), any::<bool>(), 0..3_usize, 0..16_u8, pieces()), 0..8),
    ) {
        let mut redactor = Redactor::new(UrlPaths::Template);
        let mut next_seq = 0;
        for (is_head, continues, gap, flags, bytes) in records {
            let seq = next_seq + gap;
            let record = match is_head {
                true => head_record(seq, continues, &bytes),
                false => fragment_record(seq, flags, &bytes),
            };
            prop_assert_eq!(redactor.redact(&record).len(), record.len());
            next_seq = seq + bytes.len() - gap.min(bytes.len());
        }
    }
}
