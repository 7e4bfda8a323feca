//! Seeds from a captured HTTP/2 connection. In: the bytes of both directions, and the lengths of
//! segments in their order. Out: frames, header blocks, and fragments in the format of the targets
//! of `http2::fuzz`. Reads the length, type and flags of a frame (RFC 9113 section 4.1).

use std::collections::HashMap;

const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
/// PADDED and PRIORITY: fields before the header block.
const FLAGS_BEFORE_BLOCK: u8 = 0x28;

/// The first byte of a connection's input, modulo 3: it starts at the preface, or in the middle.
const STARTS: [u8; 2] = [0, 2];
const TO_CLIENT: u8 = 1;
const STARTS_FRAME: u8 = 2;
/// A piece's length is one byte.
const PIECE_MAX_BYTES: usize = u8::MAX as usize;

/// A captured connection.
pub(super) struct Capture {
    /// The bytes from the client, with the preface.
    pub(super) client: Vec<u8>,
    /// The bytes from the server.
    pub(super) server: Vec<u8>,
    /// `client 24`, `server 15`, ...: bytes per segment, in the order of the capture.
    pub(super) segments: String,
}

impl Capture {
    fn client_frames(&self) -> &[u8] {
        self.client.get(PREFACE_BYTES..).unwrap_or_default()
    }

    /// Each frame.
    pub(super) fn frames(&self) -> Vec<Vec<u8>> {
        let both = frames(self.client_frames()).chain(frames(&self.server));
        both.map(<[u8]>::to_vec).collect()
    }

    /// The header blocks of each direction, each after a byte with its length.
    pub(super) fn blocks(&self) -> Vec<Vec<u8>> {
        let blocks = |bytes| -> Vec<u8> {
            let blocks = frames(bytes).filter_map(|frame| {
                let [_, _, _, kind, flags, ..] = *frame else {
                    return None;
                };
                let block = &frame[FRAME_HEADER_BYTES..];
                let length = u8::try_from(block.len()).ok()?;
                let is_block = kind == HEADERS && flags & FLAGS_BEFORE_BLOCK == 0;
                is_block.then(|| [&[length], block].concat())
            });
            blocks.flatten().collect()
        };
        vec![blocks(self.client_frames()), blocks(&self.server)]
    }

    /// The connection as fragments, once from its start and once as seen from the middle.
    pub(super) fn connections(&self) -> Vec<Vec<u8>> {
        let pieces = self.pieces();
        let connection = |start| [&[start], &pieces[..]].concat();
        STARTS.map(connection).to_vec()
    }

    /// The segments, cut where a frame starts. Each is: a byte with direction and flags, a byte 0
    /// (no gap in sequence numbers), a byte with the length, the bytes.
    fn pieces(&self) -> Vec<u8> {
        let mut directions = HashMap::from([
            ("client", Direction::new(self.client_frames(), 0)),
            ("server", Direction::new(&self.server, TO_CLIENT)),
        ]);
        let mut pieces = Vec::new();
        // The preface is a segment of its own, and no frame.
        for line in self.segments.lines().skip(1) {
            let Some((side, bytes)) = line.split_once(' ') else {
                continue;
            };
            if let (Some(direction), Ok(bytes)) = (directions.get_mut(side), bytes.parse()) {
                direction.segment(bytes, &mut pieces);
            }
        }
        pieces
    }
}

/// The rest of one direction, while it is cut into pieces.
struct Direction<'b> {
    flags: u8,
    rest: &'b [u8],
    /// Bytes until the next frame starts.
    frame_left: usize,
}

impl<'b> Direction<'b> {
    fn new(rest: &'b [u8], flags: u8) -> Self {
        Self {
            flags,
            rest,
            frame_left: 0,
        }
    }

    fn segment(&mut self, mut bytes: usize, pieces: &mut Vec<u8>) {
        while bytes > 0 && !self.rest.is_empty() {
            let mut flags = self.flags;
            if self.frame_left == 0 {
                flags |= STARTS_FRAME;
                self.frame_left = frame_bytes(self.rest);
            }
            let length = bytes
                .min(self.frame_left)
                .min(self.rest.len())
                .min(PIECE_MAX_BYTES);
            let (piece, rest) = self.rest.split_at(length);
            pieces.extend([flags, 0, length as u8]);
            pieces.extend(piece);
            self.rest = rest;
            self.frame_left -= length;
            bytes -= length;
        }
    }
}

/// The length of the frame that starts here, with its header.
fn frame_bytes(bytes: &[u8]) -> usize {
    let length = bytes.first_chunk().map_or(0, |[a, b, c]: &[u8; 3]| {
        usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c)
    });
    FRAME_HEADER_BYTES + length
}

/// The complete frames.
fn frames(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (frame, after) = rest.split_at_checked(frame_bytes(rest))?;
        rest = after;
        Some(frame)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8; PREFACE_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    const HEADERS_OF_STREAM_1: &[u8] = b"\0\0\x02\x01\x05\0\0\0\x01\x82\x87";

    fn capture() -> Capture {
        Capture {
            client: [PREFACE, SETTINGS, HEADERS_OF_STREAM_1].concat(),
            server: SETTINGS.to_vec(),
            segments: "client 24\nserver 9\nclient 12\nclient 8\n".to_owned(),
        }
    }

    #[test]
    fn frames_and_blocks_are_cut_out() {
        let capture = capture();
        assert_eq!(capture.frames(), [SETTINGS, HEADERS_OF_STREAM_1, SETTINGS]);
        assert_eq!(capture.blocks(), [&b"\x02\x82\x87"[..], b""]);
    }

    #[test]
    fn segments_are_cut_where_a_frame_starts() {
        let expected = [
            &[TO_CLIENT | STARTS_FRAME, 0, 9][..],
            SETTINGS,
            &[STARTS_FRAME, 0, 9],
            SETTINGS,
            &[STARTS_FRAME, 0, 3],
            &HEADERS_OF_STREAM_1[..3],
            &[0, 0, 8],
            &HEADERS_OF_STREAM_1[3..],
        ];
        assert_eq!(capture().pieces(), expected.concat());
    }
}
