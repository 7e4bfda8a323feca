//! Extracts a frame's part of a header block. In: header and payload, possibly cut. Out: the
//! payload without padding, priority and promised stream.

use std::ops::Range;

use super::{Flags, FrameError, FrameHeader, FrameType};

/// Bytes of a stream dependency and weight (RFC 9113 section 6.2).
const PRIORITY_BYTES: usize = 5;

/// Bytes of the promised stream's id (section 6.6).
const PROMISED_BYTES: usize = 4;

/// The part of a header block in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldBlockPart<'b> {
    /// The bytes that were captured.
    pub bytes: &'b [u8],
    /// Whether the frame has further bytes that were not captured.
    pub cut: bool,
}

/// Reads the payload of HEADERS, PUSH_PROMISE or CONTINUATION. `payload` has at most the frame's
/// own bytes; fewer when the capture was cut.
///
/// # Errors
/// On stream 0; when padding, priority and promised stream exceed the length in the frame header.
pub fn field_block_part<'b>(
    header: &FrameHeader,
    payload: &'b [u8],
) -> Result<FieldBlockPart<'b>, FrameError> {
    let range = field_block_range(header, payload.first().copied())?;
    let captured_end = range.end.min(payload.len());
    Ok(FieldBlockPart {
        bytes: payload.get(range.start..captured_end).unwrap_or_default(),
        cut: payload.len() < range.end,
    })
}

/// Where the part of a header block is in the payload of its frame, of which `first` is the first
/// byte, if it was captured.
///
/// # Errors
/// As [`field_block_part`].
pub fn field_block_range(
    header: &FrameHeader,
    first: Option<u8>,
) -> Result<Range<usize>, FrameError> {
    if header.stream == 0 {
        return Err(FrameError::Stream);
    }
    let frame_bytes = header.payload_bytes as usize;
    let padded = header.kind != FrameType::Continuation && header.flags.has(Flags::PADDED);
    let start = usize::from(padded) + fixed_bytes(header);
    let padding_bytes = match first {
        Some(length) if padded => usize::from(length),
        // The capture ends before the pad length, and so before any byte of the block.
        _ => 0,
    };
    if start > frame_bytes {
        return Err(FrameError::Length);
    }
    let end = frame_bytes
        .checked_sub(padding_bytes)
        .filter(|end| *end >= start)
        .ok_or(FrameError::Padding)?;
    Ok(start..end)
}

fn fixed_bytes(header: &FrameHeader) -> usize {
    match header.kind {
        FrameType::Headers if header.flags.has(Flags::PRIORITY) => PRIORITY_BYTES,
        FrameType::PushPromise => PROMISED_BYTES,
        _ => 0,
    }
}
