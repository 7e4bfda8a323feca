//! Comparison with other implementations: blocks of `httlib-hpack`'s encoder, in all
//! representations, and arbitrary bytes with `loona-hpack`'s decoder.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A field and the flags for its encoding.
#[derive(Clone, Debug)]
pub(super) struct EncodedField {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) flags: u8,
}

/// A block: size updates, then fields.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) resizes: Vec<u32>,
    pub(super) fields: Vec<EncodedField>,
}

/// Typical fields: few names, from the static table and others; mostly repeated values.
fn encoded_field() -> impl Strategy<Value = EncodedField> {
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            ":method", ":path", ":status", ":authority", "content-type", "user-agent", "x-a",
            "x-b", "traceparent", "grpc-status",
        ])
        .prop_map(|name| name.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..40),
    ];
    let value = prop_oneof![
        3 => prop::sample::select(vec!["GET", "/", "200", "a", "bb", "application/grpc"])
            .prop_map(|value| value.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..60),
        1 => "[ -~]{0,300}".prop_map(String::into_bytes),
    ];
    use httlib_hpack::Encoder as E;
    let indexing = prop::sample::select(vec![
        0,
        E::WITH_INDEXING,
        E::WITH_INDEXING,
        E::NEVER_INDEXED,
    ]);
    let huffman = 0..4_u8;
    let best = prop::sample::select(vec![0, E::BEST_FORMAT, E::BEST_FORMAT]);
    (name, value, indexing, huffman, best).prop_map(|(name, value, indexing, huffman, best)| {
        EncodedField {
            name,
            value,
            flags: indexing | huffman | best,
        }
    })
}

pub(super) fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let resizes = prop_oneof![6 => Just(vec![]), 1 => vec(0..4097_u32, 1..3)];
    let block = (resizes, vec(encoded_field(), 0..12))
        // Some decoders refuse a block that has only size updates.
        .prop_map(|(resizes, fields)| Block {
            resizes: if fields.is_empty() { vec![] } else { resizes },
            fields,
        });
    vec(block, 1..20)
}

/// Encodes the blocks.
pub(super) fn encode(blocks: &[Block]) -> Vec<Vec<u8>> {
    let mut encoder = httlib_hpack::Encoder::with_dynamic_size(4096);
    let encode = |block: &Block| {
        let mut bytes = Vec::new();
        for size in &block.resizes {
            encoder.update_max_dynamic_size(*size, &mut bytes).unwrap();
        }
        for field in &block.fields {
            let field = (field.name.clone(), field.value.clone(), field.flags);
            encoder.encode(field, &mut bytes).unwrap();
        }
        bytes
    };
    blocks.iter().map(encode).collect()
}

/// Names and values of fields.
pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn truth(block: &Block) -> Pairs {
    let pair = |field: &EncodedField| (field.name.clone(), field.value.clone());
    block.fields.iter().map(pair).collect()
}

fn pairs(decoder: &mut Decoder, block: &[u8]) -> Result<Pairs, HpackError> {
    let mut pairs = Vec::new();
    decoder.decode(block, |field| match field {
        Field::Known { name, value } => pairs.push((name.to_vec(), value.to_vec())),
        _ => panic!("with a known table all fields are known"),
    })?;
    Ok(pairs)
}

proptest! {
    /// Every decoded field equals the encoded one, through evictions and size updates.
    #[test]
    fn encoded_fields_are_decoded(blocks in blocks()) {
        let mut decoder = Decoder::new(keep_all);
        for (block, bytes) in blocks.iter().zip(encode(&blocks)) {
            prop_assert_eq!(pairs(&mut decoder, &bytes), Ok(truth(block)));
            prop_assert!(decoder.heap_bytes() <= DECODER_MAX_BYTES);
        }
    }

    /// A cut block yields the fields before the cut and no other; a cut within a field is an error.
    #[test]
    fn every_prefix_yields_the_fields_before_the_cut(blocks in blocks()) {
        let all = encode(&blocks);
        let (last, before) = all.split_last().expect("one block at least");
        let truth = truth(blocks.last().expect("one block at least"));
        for cut in 0..last.len() {
            let mut decoder = Decoder::new(keep_all);
            for block in before {
                decoder.decode(block, |_| {}).unwrap();
            }
            let mut seen = Vec::new();
            let decoded = decoder.decode(&last[..cut], |field| {
                if let Field::Known { name, value } = field {
                    seen.push((name.to_vec(), value.to_vec()));
                }
            });
            prop_assert_eq!(&seen[..], &truth[..seen.len()]);
            prop_assert!(seen.len() < truth.len());
            // A cut between two fields is detected by the frame's length, not here.
            prop_assert!(matches!(decoded, Ok(()) | Err(HpackError::Truncated)));
        }
    }

    /// Every block that this decoder accepts is decoded alike by the other one. The other one is
    /// stricter about the position of size updates and about integers that are longer than needed.
    #[test]
    fn any_bytes_are_read_as_another_decoder_reads_them(
        blocks in vec(vec(any::<u8>(), 0..80), 1..6),
    ) {
        let mut decoder = Decoder::new(keep_all);
        decoder.allow(None);
        let mut other = loona_hpack::Decoder::new();
        for block in blocks {
            let Ok(seen) = pairs(&mut decoder, &block) else { break };
            match other.decode(&block) {
                Ok(expected) => prop_assert_eq!(seen, expected),
                // Valid by the specification, but refused by `loona-hpack`.
                Err(loona_hpack::decoder::DecoderError::SizeUpdateAtEnd) => break,
                Err(loona_hpack::decoder::DecoderError::IntegerDecodingError(_)) => break,
                Err(error) => prop_assert!(false, "{error}: {block:02x?}"),
            }
        }
    }

    /// Any bytes: no panic, bounded memory, and a decoder started in the middle never contradicts
    /// one from the start.
    #[test]
    fn any_bytes_are_handled(bytes in vec(any::<u8>(), 0..600)) {
        crate::http2::fuzz::hpack(&bytes);
    }

    /// The same with encoded blocks in which a few bytes are changed.
    #[test]
    fn damaged_blocks_are_handled(
        blocks in blocks(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = Vec::new();
        for block in encode(&blocks) {
            for part in block.chunks(255) {
                bytes.push(part.len() as u8);
                bytes.extend_from_slice(part);
            }
        }
        for (at, byte) in damage {
            let at = at.index(bytes.len().max(1));
            bytes.get_mut(at).into_iter().for_each(|b| *b = byte);
        }
        crate::http2::fuzz::hpack(&bytes);
    }
}
