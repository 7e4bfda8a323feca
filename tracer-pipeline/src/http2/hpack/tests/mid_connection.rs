//! Starts in the middle of a connection, and losses: long sequences of blocks, decoded from each
//! block on with an unknown table.

use proptest::prelude::*;

use super::other_implementations::{Block, EncodedField, blocks, encode, truth};
use super::*;

/// Number of fields by their known parts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    known: usize,
    nameless: usize,
    unknown: usize,
}

/// Decodes all blocks except those `lost`, and compares each field with the encoded one.
fn check_known_fields(
    decoder: &mut Decoder,
    blocks: &[Block],
    encoded: &[Vec<u8>],
    lost: impl Fn(usize) -> bool,
) -> Count {
    let mut count = Count::default();
    for (nth, (block, bytes)) in blocks.iter().zip(encoded).enumerate() {
        if lost(nth) {
            decoder.forget();
            continue;
        }
        let mut truth = truth(block).into_iter();
        decoder
            .decode(bytes, |field| {
                let (name, value) = truth.next().expect("no more fields than were encoded");
                match field {
                    Field::Known { name: n, value: v } => {
                        assert_eq!((n, v), (&name[..], &value[..]));
                        count.known += 1;
                    }
                    Field::NotKept { .. } => panic!("all values are stored"),
                    Field::Nameless { value: v } => {
                        assert_eq!(v, value);
                        count.nameless += 1;
                    }
                    Field::Unknown => count.unknown += 1,
                }
            })
            .expect("encoded blocks can be decoded from any block on");
        assert_eq!(
            truth.next(),
            None,
            "every field is reported, known or unknown"
        );
    }
    count
}

proptest! {
    /// Started at any block: each field equals the encoded one, or is unknown; none is missing.
    #[test]
    fn started_at_any_block_known_fields_are_right(blocks in blocks()) {
        let encoded = encode(&blocks);
        for from in 0..blocks.len() {
            let mut decoder = Decoder::new_unknown(keep_all);
            check_known_fields(&mut decoder, &blocks[from..], &encoded[from..], |_| false);
        }
    }

    /// The same after the loss of any blocks.
    #[test]
    fn after_losses_known_fields_are_right(blocks in blocks(), lost: u32) {
        let encoded = encode(&blocks);
        let mut decoder = Decoder::new(keep_all);
        check_known_fields(&mut decoder, &blocks, &encoded, |nth| lost >> (nth % 32) & 1 != 0);
    }
}

/// A gRPC client's requests: repeated values are indexed, the traceparent is a literal under an
/// indexed name, plain or Huffman-coded.
fn requests(count: u32) -> Vec<Block> {
    use httlib_hpack::Encoder as E;
    let indexed = E::BEST_FORMAT | E::WITH_INDEXING | E::HUFFMAN_NAME | E::HUFFMAN_VALUE;
    let field = |name: &str, value: String, flags| EncodedField {
        name: name.into(),
        value: value.into_bytes(),
        flags,
    };
    let request = |nth: u32| Block {
        resizes: vec![],
        fields: vec![
            field(":method", "POST".into(), indexed),
            field(":path", format!("/shop.Cart/Method{}", nth % 3), indexed),
            field("content-type", "application/grpc".into(), indexed),
            field("user-agent", format!("client/{}", nth % 40), indexed),
            field(
                "traceparent",
                traceparent(nth),
                match nth % 4 {
                    0 => E::BEST_FORMAT | E::WITH_INDEXING,
                    1 => indexed,
                    2 => E::BEST_FORMAT | E::HUFFMAN_VALUE,
                    _ => E::BEST_FORMAT | E::NEVER_INDEXED,
                },
            ),
            field("x-request", format!("{nth}"), indexed),
        ],
    };
    (0..count).map(request).collect()
}

fn traceparent(nth: u32) -> String {
    format!("00-{:032x}-{:016x}-01", u128::from(nth) << 64 | 7, nth + 1)
}

/// Started at any of 300 requests, the trace context of every request is read from the first block
/// on, because it is a literal.
#[test]
fn the_traceparent_is_found_from_any_block_on() {
    let blocks = requests(300);
    let encoded = encode(&blocks);
    for from in 0..blocks.len() {
        let mut decoder = Decoder::new_unknown(crate::http2::headers::retained_part);
        for (nth, block) in encoded.iter().enumerate().skip(from) {
            let mut found = None;
            decoder
                .decode(block, |field| {
                    let value = match field {
                        Field::Known {
                            name: b"traceparent",
                            value,
                        }
                        | Field::Nameless { value } => value,
                        _ => return,
                    };
                    if value.len() == 55 {
                        found = Some(String::from_utf8_lossy(value).into_owned());
                    }
                })
                .unwrap();
            assert_eq!(
                found,
                Some(traceparent(nth as u32)),
                "block {nth} from {from}"
            );
        }
    }
}

/// Decoded from the 100th of 300 requests on, the first requests have unknown fields, later ones do
/// not. Two names stay unknown: the encoder always takes them from the entry before, back to an
/// entry from before the start.
#[test]
fn unknown_fields_become_fewer() {
    let blocks = requests(300);
    let encoded = encode(&blocks);
    let mut decoder = Decoder::new_unknown(keep_all);
    let mut count = |range: Range<usize>| {
        check_known_fields(
            &mut decoder,
            &blocks[range.clone()],
            &encoded[range],
            |_| false,
        )
    };
    assert!(count(100..110).unknown > 0);
    count(110..200);
    let expected = Count {
        known: 400,
        nameless: 200,
        unknown: 0,
    };
    assert_eq!(count(200..300), expected);
}
