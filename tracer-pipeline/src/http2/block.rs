//! Joins HEADERS and CONTINUATION to header blocks (RFC 9113 section 4.3). In: the frames of one
//! direction. Out: [`HeaderBlock`]s, still compressed.

use std::borrow::Cow;

use super::frame::{Flags, FrameError, FrameHeader, FrameType, field_block_part};

/// Most bytes stored of a header block. Servers refuse blocks longer than 8 KiB (nginx, Apache) to
/// 64 KiB (h2o), most of them at 16 KiB.
pub const BLOCK_MAX_BYTES: usize = 16 * 1024;

/// The captured part of one frame.
#[derive(Clone, Copy)]
pub struct Frame<'b> {
    /// TCP sequence number of the frame header's first byte.
    pub seq: u32,
    /// The frame header.
    pub header: FrameHeader,
    /// The payload, or its start.
    pub payload: &'b [u8],
}

/// A header block, compressed.
#[derive(Clone)]
pub struct HeaderBlock<'b> {
    /// TCP sequence number of the first frame's first byte.
    pub seq: u32,
    /// The stream of its frames.
    pub stream: u32,
    /// Whether the block announces a pushed stream. It is then no message of `stream` and only
    /// affects the compression state.
    pub promise: bool,
    /// Whether the sender ends the stream with this block.
    pub end_stream: bool,
    /// Whether bytes are missing at the end.
    pub cut: bool,
    /// The block. May contain secrets of users.
    pub bytes: Cow<'b, [u8]>,
}

impl HeaderBlock<'_> {
    fn into_owned(self) -> HeaderBlock<'static> {
        HeaderBlock {
            seq: self.seq,
            stream: self.stream,
            promise: self.promise,
            end_stream: self.end_stream,
            cut: self.cut,
            bytes: Cow::Owned(self.bytes.into_owned()),
        }
    }
}

/// Assembles the header block of one direction that spans several frames.
///
/// Stores at most [`BLOCK_MAX_BYTES`].
#[derive(Default)]
pub struct BlockAssembler {
    open: Option<HeaderBlock<'static>>,
}

impl BlockAssembler {
    /// Takes the next frame; returns the block that it completes.
    ///
    /// # Errors
    /// When the frame is not allowed at this point, or is malformed. An open block stays open,
    /// although no frame can continue it: the caller removes it with [`abandon`](Self::abandon).
    pub fn frame<'b>(&mut self, frame: &Frame<'b>) -> Result<Option<HeaderBlock<'b>>, FrameError> {
        match (frame.header.kind, &self.open) {
            (FrameType::Headers | FrameType::PushPromise, None) => self.start(frame),
            (FrameType::Continuation, Some(_)) => self.append(frame),
            (FrameType::Continuation, None) => Err(FrameError::ContinuationAlone),
            (_, Some(_)) => Err(FrameError::Interrupted),
            (_, None) => Ok(None),
        }
    }

    /// Removes and returns the open block, marked as cut.
    pub fn abandon(&mut self) -> Option<HeaderBlock<'static>> {
        self.open.take().map(|mut block| {
            block.cut = true;
            block
        })
    }

    /// The sequence number of the first byte of the open block.
    #[must_use]
    pub fn open_seq(&self) -> Option<u32> {
        self.open.as_ref().map(|block| block.seq)
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |block| match &block.bytes {
            Cow::Owned(bytes) => bytes.capacity(),
            Cow::Borrowed(_) => 0,
        })
    }

    fn start<'b>(&mut self, frame: &Frame<'b>) -> Result<Option<HeaderBlock<'b>>, FrameError> {
        let header = &frame.header;
        let part = field_block_part(header, frame.payload)?;
        let kept = &part.bytes[..part.bytes.len().min(BLOCK_MAX_BYTES)];
        let promise = header.kind == FrameType::PushPromise;
        let block = HeaderBlock {
            seq: frame.seq,
            stream: header.stream,
            promise,
            end_stream: !promise && header.flags.has(Flags::END_STREAM),
            cut: part.cut || kept.len() < part.bytes.len(),
            bytes: Cow::Borrowed(kept),
        };
        if header.flags.has(Flags::END_HEADERS) {
            return Ok(Some(block));
        }
        self.open = Some(block.into_owned());
        Ok(None)
    }

    fn append<'b>(&mut self, frame: &Frame<'b>) -> Result<Option<HeaderBlock<'b>>, FrameError> {
        let Some(mut block) = self.open.take() else {
            return Err(FrameError::ContinuationAlone);
        };
        let part = if frame.header.stream == block.stream {
            field_block_part(&frame.header, frame.payload)
        } else {
            Err(FrameError::ContinuationStream)
        };
        let part = match part {
            Ok(part) => part,
            Err(error) => {
                self.open = Some(block);
                return Err(error);
            }
        };
        // Bytes behind a gap do not continue the block.
        if !block.cut {
            let whole = extend_bounded(block.bytes.to_mut(), part.bytes, BLOCK_MAX_BYTES);
            block.cut = part.cut || !whole;
        }
        if frame.header.flags.has(Flags::END_HEADERS) {
            return Ok(Some(block));
        }
        self.open = Some(block);
        Ok(None)
    }
}

/// Appends bytes up to a length of `max`; returns whether all fitted. Never reserves more than
/// `max`.
pub(super) fn extend_bounded(buffer: &mut Vec<u8>, bytes: &[u8], max: usize) -> bool {
    let fits = bytes.len().min(max.saturating_sub(buffer.len()));
    let needed = buffer.len() + fits;
    if needed > buffer.capacity() {
        let doubled = (buffer.capacity() * 2).clamp(needed, max.max(needed));
        buffer.reserve_exact(doubled - buffer.len());
    }
    buffer.extend_from_slice(&bytes[..fits]);
    fits == bytes.len()
}

#[cfg(test)]
mod tests;
