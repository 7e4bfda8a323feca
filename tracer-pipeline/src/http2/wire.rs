//! Frames for tests, and the fragments that the kernel programs would capture of them. In: frames,
//! or the bytes of one direction and their division into segments. Out: fragments.

use super::{
    fragments::{Direction, FrameFragment},
    frame::{Flags, FrameHeader, FrameType, HEADER_BYTES},
};

/// Captured payload bytes of a frame without header fields.
const CONTROL_BYTES: usize = 16;

/// One frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

pub(super) fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(1, flags, stream, block)
}

pub(super) fn continuation(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(9, flags, stream, block)
}

/// A [`FrameFragment`] that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) direction: Direction,
    pub(super) seq: u32,
    pub(super) starts_frame: bool,
    pub(super) cut: bool,
    pub(super) lost_before: bool,
    pub(super) bytes: Vec<u8>,
}

impl Captured {
    pub(super) fn fragment(&self) -> FrameFragment<'_> {
        FrameFragment {
            direction: self.direction,
            seq: self.seq,
            starts_frame: self.starts_frame,
            cut: self.cut,
            lost_before: self.lost_before,
            bytes: &self.bytes,
        }
    }
}

/// The offset and header of each frame in a byte stream that starts with a frame.
pub(super) fn frames(bytes: &[u8]) -> Vec<(usize, FrameHeader)> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..).and_then(FrameHeader::parse) {
        frames.push((at, header));
        at += header.frame_bytes() as usize;
    }
    frames
}

/// The fragments of one direction: `bytes` starts with a frame at `seq`, and is sent in segments
/// that end at the offsets `ends`, in ascending order, and at its end.
pub(super) fn capture(
    direction: Direction,
    seq: u32,
    bytes: &[u8],
    ends: &[usize],
) -> Vec<Captured> {
    let mut captured = Vec::new();
    for (start, header) in frames(bytes) {
        let end = start + header.frame_bytes() as usize;
        let Some(wanted) = wanted_bytes(&header) else {
            continue;
        };
        let wanted_end = bytes.len().min(start + wanted);
        let mut at = start;
        while at < wanted_end {
            let segment_end = ends.iter().find(|end| **end > at).unwrap_or(&wanted_end);
            let to = wanted_end.min(*segment_end);
            captured.push(Captured {
                direction,
                seq: seq.wrapping_add(at as u32),
                starts_frame: at == start,
                cut: to == wanted_end && wanted_end < end,
                lost_before: false,
                bytes: bytes[at..to].to_vec(),
            });
            at = to;
        }
    }
    captured
}

/// The number of bytes captured of a frame; `None` if the frame is skipped.
fn wanted_bytes(header: &FrameHeader) -> Option<usize> {
    match header.kind {
        FrameType::Headers | FrameType::Continuation | FrameType::PushPromise => {
            Some(header.frame_bytes() as usize)
        }
        FrameType::RstStream | FrameType::GoAway | FrameType::Settings => {
            Some((header.frame_bytes() as usize).min(HEADER_BYTES + CONTROL_BYTES))
        }
        FrameType::Data if header.flags.has(Flags::END_STREAM) => Some(HEADER_BYTES),
        _ => None,
    }
}
