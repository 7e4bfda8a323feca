//! Where one direction of an HTTP/2 connection is within its frames, and which frames are copied.

use bytes::Bytes;
use tracer_common::{fragment::MAX_FRAGMENT_BYTES, seq::after};

use crate::{
    conversation_tests::packet::{Packet, Ring},
    decode::{Fragment, Record},
};

const FRAME_HEADER_BYTES: usize = 9;
const MAX_FRAMES: usize = 512;
const PREFACE_BYTES: usize = 24;
const TYPES: u8 = 0x20;
const DEFAULT_FRAME_BYTES: usize = 16_384;
/// The types whose frames are copied: HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, GOAWAY,
/// CONTINUATION.
const COPIED: [u8; 6] = [1, 3, 4, 5, 7, 9];

/// The position of one direction.
pub(super) struct Cursor {
    next_seq: u32,
    seen_seq: u32,
    /// The part of a frame header at the end of the packet before.
    header: Vec<u8>,
    copies: bool,
    is_lost: bool,
    is_out_of_sync: bool,
    is_recognised: bool,
}

/// A frame header.
struct Header {
    payload_bytes: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// A fragment of a packet, as offsets in its payload.
struct Copied {
    begin: usize,
    end: usize,
    starts_frame: bool,
    is_cut: bool,
}

impl Cursor {
    /// Before the frame header at `next_seq`.
    pub(super) fn new(next_seq: u32) -> Self {
        Self {
            next_seq,
            seen_seq: next_seq,
            header: Vec::new(),
            copies: false,
            is_lost: false,
            is_out_of_sync: false,
            is_recognised: false,
        }
    }

    /// If the packet starts with the preface, or has the shape of frames.
    pub(super) fn recognise(packet: &Packet) -> Option<Self> {
        if packet.payload.len() >= PREFACE_BYTES
            && packet.payload.starts_with(b"PRI * HTTP/2.0\r\n")
        {
            let next_seq = packet.seq.wrapping_add(PREFACE_BYTES as u32);
            return Some(Self {
                seen_seq: packet.seq,
                ..Self::new(next_seq)
            });
        }
        looks_like_frames(&packet.payload).then(|| Self {
            is_recognised: true,
            is_lost: true,
            ..Self::new(packet.seq)
        })
    }

    /// The sequence number of the first frame behind a 101 that switches to HTTP/2.
    pub(super) fn after_101(packet: &Packet) -> Option<u32> {
        let find = |what: &[u8]| packet.payload.windows(4).position(|bytes| bytes == what);
        let (end, h2c) = (find(b"\r\n\r\n")?, find(b"h2c\r")?);
        let seq = packet.seq.wrapping_add(end as u32 + 4);
        (h2c < end).then_some(seq)
    }

    /// Goes on over a packet. Whether HEADERS start in it, or may.
    pub(super) fn follow(&mut self, packet: &Packet, ring: &mut Ring) -> bool {
        if !after(packet.end_seq(), self.seen_seq) {
            return true;
        }
        let begin = self.first_new_byte(packet, ring);
        let begin = begin.and_then(|begin| self.rest_of_frame(packet, begin, ring));
        begin.is_some_and(|begin| self.walk(packet, begin, ring))
    }

    fn first_new_byte(&mut self, packet: &Packet, ring: &mut Ring) -> Option<usize> {
        let seen_seq = self.seen_seq;
        if after(packet.seq, seen_seq) && !self.is_out_of_sync {
            self.lose_boundary(packet, ring);
        }
        self.seen_seq = packet.end_seq();
        if !self.is_out_of_sync {
            return Some(seen_seq.wrapping_sub(packet.seq) as usize);
        }
        if !looks_like_frames(&packet.payload) {
            return None;
        }
        (self.is_out_of_sync, self.copies) = (false, false);
        self.header.clear();
        self.next_seq = packet.seq;
        Some(0)
    }

    fn rest_of_frame(&mut self, packet: &Packet, begin: usize, ring: &mut Ring) -> Option<usize> {
        let begin_seq = packet.seq.wrapping_add(begin as u32);
        if !self.header.is_empty() || !after(self.next_seq, begin_seq) {
            return Some(begin);
        }
        let rest = self.next_seq.wrapping_sub(begin_seq) as usize;
        let here = packet.payload.len() - begin;
        if self.copies {
            let copied = Copied {
                begin,
                end: begin + rest.min(here),
                starts_frame: false,
                is_cut: false,
            };
            self.send(packet, &copied, &[], ring);
        }
        self.copies &= rest > here;
        (rest < here).then_some(begin + rest)
    }

    fn walk(&mut self, packet: &Packet, begin: usize, ring: &mut Ring) -> bool {
        let payload = &packet.payload;
        let (mut offset, mut has_headers) = (begin, false);
        if !self.header.is_empty() {
            let Some((end, is_headers)) = self.split_header(packet, offset, ring) else {
                return false;
            };
            (offset, has_headers) = (end, is_headers);
        }
        let mut run: Option<Copied> = None;
        for _ in 0..MAX_FRAMES {
            if offset >= payload.len() {
                break;
            }
            let Some(header) = Header::at(payload, offset) else {
                self.header = payload[offset..].to_vec();
                break;
            };
            if !header.is_possible() {
                break;
            }
            let (end, copied_bytes) = (offset + header.frame_bytes(), header.copied_bytes());
            let copied_end = offset + copied_bytes;
            let joins = copied_bytes != 0
                && run.as_ref().is_some_and(|run| {
                    run.end == offset && copied_end - run.begin <= MAX_FRAGMENT_BYTES
                });
            if !joins && let Some(over) = run.take() {
                self.send_run(packet, over, offset, ring);
            }
            if copied_bytes != 0 {
                let begin = run.map_or(offset, |run| run.begin);
                run = Some(Copied {
                    begin,
                    end: copied_end,
                    starts_frame: true,
                    is_cut: false,
                });
                has_headers |= header.kind == 1;
                self.copies |= copied_end == end && end > payload.len();
            }
            offset = end;
        }
        if let Some(over) = run {
            self.send_run(packet, over, offset, ring);
        }
        if offset < payload.len() && self.header.is_empty() {
            self.lose_boundary(packet, ring);
        }
        self.next_seq = packet.seq.wrapping_add(offset as u32);
        has_headers
    }

    /// Sends frames whose last one ends at `end`, of which the header may be all that is copied.
    fn send_run(&mut self, packet: &Packet, run: Copied, end: usize, ring: &mut Ring) {
        let run = Copied {
            is_cut: run.end != end,
            end: run.end.min(packet.payload.len()),
            ..run
        };
        self.send(packet, &run, &[], ring);
    }

    /// Completes a frame header that began in the packet before. The end of its frame, and whether
    /// that is HEADERS.
    fn split_header(
        &mut self,
        packet: &Packet,
        offset: usize,
        ring: &mut Ring,
    ) -> Option<(usize, bool)> {
        let payload = &packet.payload;
        let begin = payload
            .len()
            .min(offset + FRAME_HEADER_BYTES - self.header.len());
        self.header.extend(&payload[offset..begin]);
        let header = Header::at(&self.header, 0)?;
        let prefix = std::mem::take(&mut self.header);
        if !header.is_possible() {
            self.lose_boundary(packet, ring);
            return None;
        }
        let end = begin + header.payload_bytes;
        let copied_bytes = header.copied_bytes();
        if copied_bytes != 0 {
            let is_whole = copied_bytes == header.frame_bytes();
            let copied = Copied {
                begin,
                end: (begin + copied_bytes - FRAME_HEADER_BYTES).min(payload.len()),
                starts_frame: true,
                is_cut: !is_whole,
            };
            self.send(packet, &copied, &prefix, ring);
            self.copies |= is_whole && end > payload.len();
        }
        self.next_seq = packet.seq.wrapping_add(end as u32);
        Some((end, header.kind == 1))
    }

    /// The next frame header is not where it was expected.
    fn lose_boundary(&mut self, packet: &Packet, ring: &mut Ring) {
        (self.is_out_of_sync, self.is_lost) = (true, true);
        let nothing = Copied {
            begin: 0,
            end: 0,
            starts_frame: false,
            is_cut: false,
        };
        self.send(packet, &nothing, &[], ring);
    }

    /// Sends a fragment, with the header before it that began in the packet before.
    fn send(&mut self, packet: &Packet, copied: &Copied, prefix: &[u8], ring: &mut Ring) {
        let is_long = copied.end - copied.begin > MAX_FRAGMENT_BYTES;
        let end = copied.end.min(copied.begin + MAX_FRAGMENT_BYTES);
        let begin_seq = packet.seq.wrapping_add(copied.begin as u32);
        let is_sent = ring.send(Record::Fragment(Fragment {
            start_ns: packet.start_ns,
            sender_cookie: ring.cookie(packet.from),
            packet_seq: packet.seq,
            seq: begin_seq.wrapping_sub(prefix.len() as u32),
            starts_frame: copied.starts_frame,
            cut: copied.is_cut || is_long,
            lost_before: self.is_lost,
            recognised: self.is_recognised,
            sent: packet.sent(),
            bytes: Bytes::from([prefix, &packet.payload[copied.begin..end]].concat()),
        }));
        self.is_lost = !is_sent || self.is_out_of_sync;
    }
}

impl Header {
    fn at(bytes: &[u8], offset: usize) -> Option<Self> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes.get(offset..)?.first_chunk()?;
        Some(Self {
            payload_bytes: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]),
        })
    }

    fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload_bytes
    }

    /// How many bytes of the frame are copied: all, of DATA that ends a stream the header, or none.
    fn copied_bytes(&self) -> usize {
        match self.kind {
            0 if self.flags & 1 != 0 => FRAME_HEADER_BYTES,
            kind if COPIED.contains(&kind) => self.frame_bytes(),
            _ => 0,
        }
    }

    fn is_possible(&self) -> bool {
        self.kind < TYPES || self.payload_bytes <= DEFAULT_FRAME_BYTES
    }

    fn is_unknown(&self) -> bool {
        self.kind > 9 && self.payload_bytes <= DEFAULT_FRAME_BYTES
    }

    fn is_likely(&self) -> bool {
        let on_stream = self.stream != 0 && self.stream >> 31 == 0;
        let (bytes, flags) = (self.payload_bytes, self.flags);
        if bytes > DEFAULT_FRAME_BYTES {
            return false;
        }
        match self.kind {
            0 => on_stream && flags & !0x09 == 0,
            1 => on_stream && flags & !0x2d == 0 && bytes > 0,
            2 => on_stream && flags == 0 && bytes == 5,
            3 => on_stream && flags == 0 && bytes == 4,
            4 => self.stream == 0 && flags & !1 == 0 && bytes % 6 == 0 && bytes < 128,
            5 => on_stream && flags & !0x0c == 0 && bytes > 4,
            6 => self.stream == 0 && flags & !1 == 0 && bytes == 8,
            7 => self.stream == 0 && flags == 0 && bytes >= 8,
            8 => self.stream >> 31 == 0 && flags == 0 && bytes == 4,
            _ => false,
        }
    }
}

fn looks_like_frames(payload: &[u8]) -> bool {
    let Some(first) = Header::at(payload, 0).filter(Header::is_likely) else {
        return false;
    };
    let end = first.frame_bytes();
    if end == payload.len() {
        return true;
    }
    if end > payload.len() {
        return matches!(first.kind, 1 | 4);
    }
    Header::at(payload, end).is_none_or(|second| second.is_likely() || second.is_unknown())
}
