//! Entry points for fuzz targets and property tests. In: any bytes. Besides the absence of panics,
//! they assert properties that hold for all inputs.

use super::{
    fragments::{Direction, FrameFragment},
    frame::{self, FrameHeader, HEADER_BYTES},
    headers,
    hpack::{DECODER_MAX_BYTES, Decoder, Field},
    streams::{CONNECTION_MAX_BYTES, Event, Http2Connection, Start},
};

/// Parses the bytes as one frame of every type.
pub fn frame(bytes: &[u8]) {
    let Some((nine, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        assert_eq!(FrameHeader::parse(bytes), None);
        return;
    };
    let plausible = frame::plausible(nine, frame::DEFAULT_MAX_FRAME_BYTES);
    let Some(header) = FrameHeader::parse(nine) else {
        return;
    };
    assert!(!plausible || header.payload_bytes <= frame::DEFAULT_MAX_FRAME_BYTES);
    if let Ok(part) = frame::field_block_part(&header, payload) {
        assert!(part.bytes.len() <= payload.len());
    }
    let _ = frame::rst_stream(&header, payload);
    let _ = frame::goaway(&header, payload);
    let _ = frame::settings(&header, payload);
}

/// Parses the bytes as header blocks, each after a byte with its length, with a decoder that has
/// seen the connection from its start and with one that has not. Every field that is known to the
/// second must equal that of the first.
pub fn hpack(bytes: &[u8]) {
    let mut known = Decoder::new(headers::retained_part);
    // The second decoder accepts tables of any size, so the first must too.
    known.allow(None);
    let mut unknown = Decoder::new_unknown(headers::retained_part);
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first() {
        let (block, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let (truth, decoded) = decoded_fields(&mut known, block);
        let (seen, _) = decoded_fields(&mut unknown, block);
        assert!(known.heap_bytes() <= DECODER_MAX_BYTES);
        assert!(unknown.heap_bytes() <= DECODER_MAX_BYTES);
        assert!(truth.len() <= seen.len());
        truth.iter().zip(&seen).for_each(|(t, s)| t.confirms(s));
        if decoded.is_err() {
            return;
        }
    }
}

/// Parses the bytes as fragments of one connection. Each fragment starts with three bytes:
/// direction and flags, the jump of the sequence number, and the length.
pub fn connection(bytes: &[u8]) {
    let (first, mut rest) = bytes.split_first().unwrap_or((&0, &[]));
    let start = match first % 3 {
        0 => Start::Preface,
        1 => Start::Upgraded,
        _ => Start::Middle,
    };
    let mut connection = Http2Connection::new(start);
    let mut seqs = [0_u32; 2];
    while let Some(([flags, jump, length], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let (direction, seq) = if flags & 1 == 0 {
            (Direction::ToServer, &mut seqs[0])
        } else {
            (Direction::ToClient, &mut seqs[1])
        };
        *seq = seq.wrapping_add_signed(i32::from(jump.cast_signed()));
        let fragment = FrameFragment {
            direction,
            seq: *seq,
            starts_frame: flags & 2 != 0,
            cut: flags & 4 != 0,
            lost_before: flags & 8 != 0,
            bytes: payload,
        };
        *seq = seq.wrapping_add(u32::from(*length));
        let mut desynchronised = 0;
        connection.fragment(&fragment, &mut |event| {
            desynchronised += u64::from(matches!(event, Event::Desynchronised { .. }));
        });
        assert!(connection.counts().desynchronised >= desynchronised);
        assert!(connection.heap_bytes() + size_of::<Http2Connection>() <= CONNECTION_MAX_BYTES);
    }
}

/// A [`Field`] that outlives its block.
struct OwnedField {
    name: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl OwnedField {
    fn confirms(&self, seen: &Self) {
        if let (Some(name), Some(seen)) = (&self.name, &seen.name) {
            assert_eq!(name, seen);
        }
        if let (Some(value), Some(seen)) = (&self.value, &seen.value) {
            assert_eq!(value, seen);
        }
    }
}

fn decoded_fields(
    decoder: &mut Decoder,
    block: &[u8],
) -> (Vec<OwnedField>, Result<(), super::hpack::HpackError>) {
    let mut fields = Vec::new();
    let decoded = decoder.decode(block, |field| {
        let (name, value) = match field {
            Field::Known { name, value } => (Some(name), Some(value)),
            Field::NotKept { name } => (Some(name), None),
            Field::Nameless { value } => (None, Some(value)),
            Field::Unknown => (None, None),
        };
        fields.push(OwnedField {
            name: name.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
        });
    });
    (fields, decoded)
}
