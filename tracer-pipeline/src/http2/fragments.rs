//! Joins fragments of frames to frames. In: [`FrameFragment`]s of one direction, in order; each is
//! the part of a frame in one TCP segment. Out: [`Assembled`]: frames, whole or cut, and gaps.
//!
//! Uses TCP sequence numbers and frame headers. Frames that are not captured (DATA, and others
//! without header fields) lie between two frames and are no gap. Of DATA that ends a stream the
//! frame header is captured.

use crate::flow::Side;

use super::{
    block::{BLOCK_MAX_BYTES, Frame, extend_bounded},
    frame::{FrameHeader, HEADER_BYTES},
};

/// Most bytes stored of a frame that spans several segments: a whole block with the fields that may
/// precede it.
pub const FRAME_MAX_BYTES: usize = HEADER_BYTES + 16 + BLOCK_MAX_BYTES;

/// A segment that starts less than this before the expected sequence number is a retransmission, or
/// the rest of a frame that was cut. More than the longest frame (2^24 + 8 bytes), and than Linux's
/// send buffer (`tcp_wmem`, 4 MiB by default).
const BEHIND_MAX_BYTES: u32 = 1 << 25;

/// One of the two byte streams of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Sent by the client.
    ToServer,
    /// Sent by the server.
    ToClient,
}

impl Direction {
    /// The direction of what `side` sends.
    #[must_use]
    pub fn of(side: Side) -> Self {
        match side {
            Side::Client => Self::ToServer,
            Side::Server => Self::ToClient,
        }
    }

    /// The side that sends it.
    #[must_use]
    pub fn sender(self) -> Side {
        match self {
            Self::ToServer => Side::Client,
            Self::ToClient => Side::Server,
        }
    }

    /// The other direction.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

/// The part of one frame, or of several successive ones, in one segment.
#[derive(Clone, Copy)]
pub struct FrameFragment<'b> {
    /// The direction in which it was sent.
    pub direction: Direction,
    /// TCP sequence number of the first byte.
    pub seq: u32,
    /// Whether the first byte is the first of a frame header.
    pub starts_frame: bool,
    /// Whether the frame continues after the last byte, but its rest is not captured.
    pub cut: bool,
    /// Whether fragments of this direction were lost just before this one. A fragment without bytes
    /// reports only that.
    pub lost_before: bool,
    /// The bytes.
    pub bytes: &'b [u8],
}

/// A result of joining fragments.
#[derive(Clone, Copy)]
pub enum Assembled<'b> {
    /// A frame. Of a cut frame the payload is shorter than the header's length.
    Frame(Frame<'b>),
    /// The part of a frame before a gap, which follows. The rest came in a packet that was not seen.
    Abandoned(Frame<'b>),
    /// Bytes are missing between the previous frame and the next.
    Gap,
    /// The fragment was seen before, or is the rest of a cut frame.
    Repeated,
}

/// Joins the fragments of one direction.
///
/// Stores at most [`FRAME_MAX_BYTES`].
#[derive(Default)]
pub struct FrameAssembler {
    open: Option<OpenFrame>,
    /// The sequence number up to which everything has been processed.
    done_to: Option<u32>,
    /// True after a gap, or a start in the middle of a connection, until the next frame starts.
    /// Fragments in between are the rest of an abandoned frame.
    awaits_frame_start: bool,
}

struct OpenFrame {
    seq: u32,
    /// Bytes of this frame so far, including those that are not stored.
    seen_bytes: u32,
    kept: Vec<u8>,
}

impl FrameAssembler {
    /// For a direction whose start was not seen: bytes before the first frame header are no gap.
    #[must_use]
    pub fn from_the_middle() -> Self {
        Self {
            awaits_frame_start: true,
            ..Self::default()
        }
    }

    /// Whether the next frame is expected at a known place: nothing was lost since the last one.
    #[must_use]
    pub fn is_following(&self) -> bool {
        !self.awaits_frame_start
    }

    /// The sequence number of the first byte of the frame that is not complete.
    #[must_use]
    pub fn open_seq(&self) -> Option<u32> {
        self.open.as_ref().map(|open| open.seq)
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

    /// The part of a fragment that was not seen before; `None` when there is none.
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
            // The previous fragment ended a frame, unless a frame is open or its start is missing.
            starts_frame: self.open.is_none() && !self.awaits_frame_start,
            bytes: rest,
            ..*fragment
        })
    }

    /// Yields the stored part of the open frame, then a gap; only one gap until the next frame
    /// starts.
    fn give_up(&mut self, each: &mut impl FnMut(Assembled<'_>)) {
        if self.awaits_frame_start {
            return;
        }
        if let Some(frame) = self.open.take().as_ref().and_then(OpenFrame::frame) {
            each(Assembled::Abandoned(frame));
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

    /// Takes a frame from its first byte on; returns the number of bytes taken.
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

    /// Continues the open frame; returns the number of bytes taken.
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

    /// Bytes missing to the end of the frame, or of its header while that is incomplete.
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
