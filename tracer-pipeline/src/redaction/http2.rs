//! Redacts the frames in fragment records. In: the fragments of each direction, in order. Out: the same
//! with redacted header blocks and empty bodies. Frame headers, and the frames that end streams or set
//! the size of a table, stay.

use std::{collections::HashMap, ops::Range};

use crate::{
    decode::Fragment,
    http::UrlPaths,
    http2::frame::{Flags, FrameHeader, FrameType, HEADER_BYTES, field_block_range},
};

use super::header_block::HeaderBlocks;

/// Most directions of connections that are followed. Where there are more, all are forgotten, and their
/// next blocks are those of connections whose beginning was not seen.
const SENDERS_MAX: usize = 4096;
/// A fragment that starts less than this before the expected sequence number comes again, as for
/// `http2::fragments`.
const BEHIND_MAX_BYTES: u32 = 1 << 25;
/// Of GOAWAY: the last stream and the error code; debug data follow.
const GOAWAY_BYTES: usize = 8;

/// Redacts what each socket sends.
pub(super) struct Senders {
    url_paths: UrlPaths,
    by_cookie: HashMap<u64, Sender>,
    has_forgotten: bool,
}

/// One direction of a connection.
struct Sender {
    blocks: HeaderBlocks,
    next_seq: Option<u32>,
    /// The frame that the last fragment ended within.
    open: Option<OpenFrame>,
    /// Bytes are missing until the next frame starts.
    is_lost: bool,
    /// A header block continues in the next frame.
    has_open_block: bool,
}

struct OpenFrame {
    header: FrameHeader,
    /// Where the header block is in the payload, of a frame that has one.
    block: Range<usize>,
    /// Bytes of the payload so far.
    at: usize,
}

impl Senders {
    pub(super) fn new(url_paths: UrlPaths) -> Self {
        Self {
            url_paths,
            by_cookie: HashMap::new(),
            has_forgotten: false,
        }
    }

    /// A new connection has this cookie.
    pub(super) fn forget(&mut self, cookie: u64) {
        self.by_cookie.remove(&cookie);
    }

    /// Redacts the copied bytes of a record.
    pub(super) fn redact(&mut self, fragment: &Fragment, bytes: &mut [u8]) {
        let is_known = self.by_cookie.contains_key(&fragment.sender_cookie);
        if self.by_cookie.len() >= SENDERS_MAX && !is_known {
            self.by_cookie.clear();
            self.has_forgotten = true;
        }
        let begins = !fragment.recognised && !self.has_forgotten;
        let url_paths = self.url_paths;
        let sender = self.by_cookie.entry(fragment.sender_cookie);
        let sender = sender.or_insert_with(|| Sender {
            blocks: HeaderBlocks::new(begins, url_paths),
            next_seq: None,
            open: None,
            is_lost: false,
            has_open_block: false,
        });
        // A frame header that began in the packet before precedes the copied bytes.
        let mut frames = fragment.bytes.to_vec();
        let prefix_bytes = frames.len().saturating_sub(bytes.len());
        sender.redact(fragment, &mut frames);
        bytes.copy_from_slice(&frames[prefix_bytes..]);
    }
}

impl Sender {
    fn redact(&mut self, fragment: &Fragment, frames: &mut [u8]) {
        if fragment.lost_before {
            self.next_seq = None;
            self.lose();
        }
        let behind = self
            .next_seq
            .map_or(0, |next| next.wrapping_sub(fragment.seq));
        let is_again = (1..BEHIND_MAX_BYTES).contains(&behind);
        let seen = if is_again {
            frames.len().min(behind as usize)
        } else {
            0
        };
        let (again, mut frames) = frames.split_at_mut(seen);
        again.fill(0);
        if frames.is_empty() {
            return;
        }
        let starts_frame = match is_again {
            true => self.open.is_none() && !self.is_lost,
            false => fragment.starts_frame,
        };
        let follows = is_again || self.next_seq == Some(fragment.seq);
        if starts_frame == self.open.is_some() || (!starts_frame && !follows) {
            self.lose();
        }
        let end = fragment.bytes.len() as u32;
        self.next_seq = Some(fragment.seq.wrapping_add(end));
        if !starts_frame && self.open.is_none() {
            frames.fill(0);
            return;
        }
        self.is_lost = false;
        while !frames.is_empty() {
            let mut frame = match self.open.take() {
                Some(frame) => frame,
                None => {
                    // The kernel programs copy whole headers.
                    let Some((header, rest)) = frames.split_at_mut_checked(HEADER_BYTES) else {
                        self.lose();
                        return;
                    };
                    let Some(header) = FrameHeader::parse(header) else {
                        return;
                    };
                    let frame = self.start(header, rest.first().copied());
                    frames = rest;
                    frame
                }
            };
            let left = (frame.header.payload_bytes as usize).saturating_sub(frame.at);
            let (payload, rest) = frames.split_at_mut(left.min(frames.len()));
            self.payload(&mut frame, payload);
            frames = rest;
            if frame.at < frame.header.payload_bytes as usize {
                self.open = Some(frame);
            } else {
                self.end(&frame);
            }
        }
        if fragment.cut
            && let Some(frame) = self.open.take()
            && !frame.block.is_empty()
        {
            self.blocks.lose();
            self.end(&frame);
        }
    }

    /// Frames or parts of frames are missing.
    fn lose(&mut self) {
        self.open = None;
        self.is_lost = true;
        self.has_open_block = false;
        self.blocks.lose();
    }

    /// Starts a frame, of which `first` is the first byte of the payload.
    fn start(&mut self, header: FrameHeader, first: Option<u8>) -> OpenFrame {
        let continues = header.kind == FrameType::Continuation;
        if continues != self.has_open_block {
            // A block is interrupted, or its beginning is missing.
            self.blocks.lose();
        }
        if !continues {
            self.has_open_block = is_first_of_block(&header);
            if self.has_open_block {
                self.blocks.begin();
            }
        }
        let payload = 0..header.payload_bytes as usize;
        let block = match field_block_range(&header, first) {
            _ if !continues && !self.has_open_block => 0..0,
            Ok(block) => block,
            Err(_) => {
                self.blocks.lose();
                payload
            }
        };
        OpenFrame {
            header,
            block,
            at: 0,
        }
    }

    /// Redacts the next bytes of a frame's payload.
    fn payload(&mut self, frame: &mut OpenFrame, payload: &mut [u8]) {
        let local = |at: usize| at.saturating_sub(frame.at).min(payload.len());
        let kept = match frame.header.kind {
            FrameType::Headers | FrameType::PushPromise | FrameType::Continuation => {
                let block = local(frame.block.start)..local(frame.block.end);
                let end = block.end;
                self.blocks.redact(&mut payload[block]);
                end
            }
            FrameType::Settings | FrameType::RstStream | FrameType::WindowUpdate => payload.len(),
            FrameType::GoAway => local(GOAWAY_BYTES),
            _ => 0,
        };
        payload[kept..].fill(0);
        frame.at += payload.len();
    }

    /// Ends a frame.
    fn end(&mut self, frame: &OpenFrame) {
        let kind = frame.header.kind;
        let has_block = is_first_of_block(&frame.header) || kind == FrameType::Continuation;
        if has_block && frame.header.flags.has(Flags::END_HEADERS) {
            self.has_open_block = false;
        }
    }
}

fn is_first_of_block(header: &FrameHeader) -> bool {
    matches!(header.kind, FrameType::Headers | FrameType::PushPromise)
}
