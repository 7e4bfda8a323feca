//! Joins pieces of frames to frames. In: [`FrameFragment`]s of one direction, in order, each what one
//! segment had of a frame. Out: [`Assembled`]s: frames, whole or cut, and the places where something is
//! missing.
//!
//! Knows TCP sequence numbers and frame headers. What it is not given (DATA, and whatever else
//! holds no header) lies between two frames and is no gap.

use crate::flow::Side;

use super::{
    block::{BLOCK_MAX_BYTES, Frame, extend_bounded},
    frame::{FrameHeader, HEADER_BYTES},
};

/// Most that is kept of a frame that takes several segments: a whole block with the fields that
/// may stand before it.
pub const FRAME_MAX_BYTES: usize = HEADER_BYTES + 16 + BLOCK_MAX_BYTES;

/// A segment that starts less than this before what was taken last has been sent again, or is the
/// rest of a frame that was cut. More than the longest frame (2^24 + 8 bytes), and than the buffer
/// that Linux sends again from (`tcp_wmem`, 4 MiB unless configured).
const BEHIND_MAX_BYTES: u32 = 1 << 25;

/// Which of the two byte streams of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Sent by the client.
    ToServer,
    /// Sent by the server.
    ToClient,
}

impl Direction {
    /// What this side sends.
    #[must_use]
    pub fn of(side: Side) -> Self {
        match side {
            Side::Client => Self::ToServer,
            Side::Server => Self::ToClient,
        }
    }

    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

/// What one segment has of one frame, or of several that follow each other.
#[derive(Clone, Copy)]
pub struct FrameFragment<'b> {
    /// Who sent it.
    pub direction: Direction,
    /// TCP sequence number of the first byte.
    pub seq: u32,
    /// Whether the first byte is the first of a frame header.
    pub starts_frame: bool,
    /// Whether the last byte is the last that was captured of its frame, though the frame goes on.
    pub cut: bool,
    /// Whether fragments of this direction were lost just before this one.
    pub lost_before: bool,
    /// The bytes.
    pub bytes: &'b [u8],
}

/// What the fragments make.
#[derive(Clone, Copy)]
pub enum Assembled<'b> {
    /// A frame; its payload is shorter than its header says where it was cut.
    Frame(Frame<'b>),
    /// Something is missing between the frame before and the one after.
    Gap,
    /// The fragment has been here before, or is the rest of a frame that was cut.
    Repeated,
}

/// The frame that is being sent in one direction, if it takes more than one segment.
///
/// Holds at most [`FRAME_MAX_BYTES`].
#[derive(Default)]
pub struct FrameAssembler {
    open: Option<OpenFrame>,
    /// Everything before this sequence number has been dealt with.
    done_to: Option<u32>,
    /// Between a gap, or a start in the middle of a connection, and the next frame. What comes
    /// there is the rest of a frame that is given up already.
    awaits_frame_start: bool,
}

struct OpenFrame {
    seq: u32,
    /// Bytes of this frame so far, those that were not kept included.
    seen_bytes: u32,
    kept: Vec<u8>,
}

impl FrameAssembler {
    /// For a direction whose start was not seen: what comes before the first frame header is no
    /// gap.
    #[must_use]
    pub fn from_the_middle() -> Self {
        Self {
            awaits_frame_start: true,
            ..Self::default()
        }
    }

    /// Takes the next fragment.
    pub fn push(&mut self, fragment: &FrameFragment<'_>, mut each: impl FnMut(Assembled<'_>)) {
        if fragment.lost_before {
            self.done_to = None;
            self.give_up(&mut each);
        }
        let Some(fragment) = self.unseen_part(fragment) else {
            each(Assembled::Repeated);
            return;
        };
        let fits = match &self.open {
            Some(open) => !fragment.starts_frame && fragment.seq == open.next_seq(),
            None => fragment.starts_frame || self.awaits_frame_start,
        };
        if !fits {
            self.give_up(&mut each);
        }
        self.done_to = Some(fragment.end());
        if fragment.starts_frame || self.open.is_some() {
            self.awaits_frame_start = false;
            self.take(&fragment, &mut each);
        }
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.kept.capacity())
    }

    /// What of a fragment has not been seen before; `None` when all has.
    fn unseen_part<'b>(&self, fragment: &FrameFragment<'b>) -> Option<FrameFragment<'b>> {
        let behind_bytes = self.done_to.map_or(0, |to| to.wrapping_sub(fragment.seq));
        if behind_bytes == 0 || behind_bytes >= BEHIND_MAX_BYTES {
            return Some(*fragment);
        }
        let rest = fragment.bytes.get(behind_bytes as usize..)?;
        if rest.is_empty() {
            return None;
        }
        Some(FrameFragment {
            seq: fragment.seq.wrapping_add(behind_bytes),
            // What was taken last ends a frame, unless one is open or its start is missing.
            starts_frame: self.open.is_none() && !self.awaits_frame_start,
            bytes: rest,
            ..*fragment
        })
    }

    /// Says that something is missing, after what there is of the open frame; once, however much
    /// is.
    fn give_up(&mut self, each: &mut impl FnMut(Assembled<'_>)) {
        if self.awaits_frame_start {
            return;
        }
        if let Some(frame) = self.open.take().as_ref().and_then(OpenFrame::frame) {
            each(Assembled::Frame(frame));
        }
        self.awaits_frame_start = true;
        each(Assembled::Gap);
    }

    fn take(&mut self, fragment: &FrameFragment<'_>, each: &mut impl FnMut(Assembled<'_>)) {
        let (mut seq, mut bytes) = (fragment.seq, fragment.bytes);
        while !bytes.is_empty() {
            let taken_bytes = match self.open.take() {
                Some(open) => self.append(open, bytes, each),
                None => self.start(seq, bytes, each),
            };
            let (taken, rest) = bytes.split_at(taken_bytes.clamp(1, bytes.len()));
            seq = seq.wrapping_add(taken.len() as u32);
            bytes = rest;
        }
        if fragment.cut {
            self.cut(each);
        }
    }

    /// Takes a frame from its first byte on; gives how many bytes it has taken.
    fn start(&mut self, seq: u32, bytes: &[u8], each: &mut impl FnMut(Assembled<'_>)) -> usize {
        let whole = FrameHeader::parse(bytes)
            .and_then(|header| Some((header, bytes.get(..header.frame_bytes() as usize)?)));
        if let Some((header, frame)) = whole {
            each(Assembled::Frame(Frame {
                seq,
                header,
                payload: &frame[HEADER_BYTES..],
            }));
            return frame.len();
        }
        let mut open = OpenFrame {
            seq,
            seen_bytes: 0,
            kept: Vec::new(),
        };
        open.add(bytes);
        self.open = Some(open);
        bytes.len()
    }

    /// Adds to the open frame; gives how many bytes it has taken.
    fn append(
        &mut self,
        mut open: OpenFrame,
        bytes: &[u8],
        each: &mut impl FnMut(Assembled<'_>),
    ) -> usize {
        let wanted_bytes = open.wanted_bytes().min(bytes.len());
        open.add(&bytes[..wanted_bytes]);
        match open.frame() {
            Some(frame) if open.seen_bytes >= frame.header.frame_bytes() => {
                each(Assembled::Frame(frame));
            }
            _ => self.open = Some(open),
        }
        wanted_bytes
    }

    /// The rest of the open frame is not captured.
    fn cut(&mut self, each: &mut impl FnMut(Assembled<'_>)) {
        let Some(open) = self.open.take() else {
            return;
        };
        match open.frame() {
            Some(frame) => {
                self.done_to = Some(open.seq.wrapping_add(frame.header.frame_bytes()));
                each(Assembled::Frame(frame));
            }
            None => each(Assembled::Gap),
        }
    }
}

impl OpenFrame {
    fn next_seq(&self) -> u32 {
        self.seq.wrapping_add(self.seen_bytes)
    }

    /// Bytes up to the end of the frame; while its header is not whole, of that.
    fn wanted_bytes(&self) -> usize {
        let to = FrameHeader::parse(&self.kept).map_or(HEADER_BYTES as u32, |h| h.frame_bytes());
        to.saturating_sub(self.seen_bytes) as usize
    }

    fn add(&mut self, bytes: &[u8]) {
        self.seen_bytes = self.seen_bytes.saturating_add(bytes.len() as u32);
        extend_bounded(&mut self.kept, bytes, FRAME_MAX_BYTES);
    }

    fn frame(&self) -> Option<Frame<'_>> {
        let header = FrameHeader::parse(&self.kept)?;
        Some(Frame {
            seq: self.seq,
            header,
            payload: &self.kept[HEADER_BYTES..],
        })
    }
}

impl FrameFragment<'_> {
    fn end(&self) -> u32 {
        self.seq.wrapping_add(self.bytes.len() as u32)
    }
}

#[cfg(test)]
mod tests;
