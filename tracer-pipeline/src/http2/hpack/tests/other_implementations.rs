//! Against other implementations: blocks of `httlib-hpack`'s encoder, in all representations, and
//! any bytes against `loona-hpack`'s decoder.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// How the encoder is asked to write a field.
#[derive(Clone, Debug)]
pub(super) struct EncodedField {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) flags: u8,
}

/// A block, after the size updates that it starts with.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) resizes: Vec<u32>,
    pub(super) fields: Vec<EncodedField>,
}

/// Fields as they come: few names, of the static table and others; values that come again and
/// again, and others.
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
        // A block of size updates alone says nothing, and some decoders refuse it.
        .prop_map(|(resizes, fields)| Block {
            resizes: if fields.is_empty() { vec![] } else { resizes },
            fields,
        });
    vec(block, 1..20)
}

/// What an encoder makes of the blocks.
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

/// Names and values.
pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn truth(block: &Block) -> Pairs {
    let pair = |field: &EncodedField| (field.name.clone(), field.value.clone());
    block.fields.iter().map(pair).collect()
}

fn pairs(decoder: &mut Decoder, block: &[u8]) -> Result<Pairs, HpackError> {
    let mut pairs = Vec::new();
    decoder.decode(block, |field| match field {
        Field::Known { name, value } => pairs.push((name.to_vec(), value.to_vec())),
        _ => panic!("a decoder that knows its table knows all fields"),
    })?;
    Ok(pairs)
}

proptest! {
    /// Every field comes back as it was given to the encoder, through evictions and size updates.
    #[test]
    fn what_is_encoded_is_decoded(blocks in blocks()) {
        let mut decoder = Decoder::new(keep_all);
        for (block, bytes) in blocks.iter().zip(encode(&blocks)) {
            prop_assert_eq!(pairs(&mut decoder, &bytes), Ok(truth(block)));
            prop_assert!(decoder.heap_bytes() <= DECODER_MAX_BYTES);
        }
    }

    /// A block that is cut yields the fields before the cut and no other, and the cut is told.
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
            // Between two fields a cut cannot be seen here; the frame says it.
            prop_assert!(matches!(decoded, Ok(()) | Err(HpackError::Truncated)));
        }
    }

    /// What this decoder accepts, the other one does, and reads the same. The other way round it is
    /// stricter: on the place of size updates and on integers that are longer than needed.
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
                // Refused there; allowed by the specification.
                Err(loona_hpack::decoder::DecoderError::SizeUpdateAtEnd) => break,
                Err(loona_hpack::decoder::DecoderError::IntegerDecodingError(_)) => break,
                Err(error) => prop_assert!(false, "{error}: {block:02x?}"),
            }
        }
    }

    /// Any bytes, whatever the decoder knows: no panic, bounded memory, and a decoder from the
    /// middle says nothing that one from the start denies.
    #[test]
    fn no_bytes_break_it(bytes in vec(any::<u8>(), 0..600)) {
        crate::http2::fuzz::hpack(&bytes);
    }

    /// The same of blocks that an encoder made, with a few bytes changed.
    #[test]
    fn no_damage_breaks_it(
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
