//! The frame header (RFC 9113 section 4.1). In: nine bytes. Out: [`FrameHeader`], and whether the
//! bytes are plausible as one.
//!
//! `control` and `field_block` parse the payloads.

mod control;
mod field_block;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use self::control::{GoAway, Settings, goaway, rst_stream, settings};
pub use self::field_block::{FieldBlockPart, field_block_part, field_block_range};

/// Length of a frame header.
pub const HEADER_BYTES: usize = 9;

/// The connection preface, which a client sends before its first frame (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Largest payload that a peer accepts, unless its SETTINGS allow more (`SETTINGS_MAX_FRAME_SIZE`,
/// section 6.5.2).
pub const DEFAULT_MAX_FRAME_BYTES: u32 = 16_384;

/// Why a frame is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Sections 6.2, 6.6.
    #[error("padding is as long as the frame or longer")]
    Padding,
    /// Each frame type has a fixed or a minimum length.
    #[error("payload is too short or too long for its frame type")]
    Length,
    /// Section 5.1.1.
    #[error("frame type that belongs to a stream is on stream 0, or the other way round")]
    Stream,
    /// Section 6.10.
    #[error("continuation frame without a header block to continue")]
    ContinuationAlone,
    /// Section 6.10.
    #[error("continuation frame is on another stream than its header block")]
    ContinuationStream,
    /// Section 4.3.
    #[error("header block is interrupted by another frame")]
    Interrupted,
}

/// Frame types (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is its type's name")]
pub enum FrameType {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// An extension (section 5.5), or not a frame.
    Other(u8),
}

impl From<u8> for FrameType {
    fn from(byte: u8) -> Self {
        match byte {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::RstStream,
            4 => Self::Settings,
            5 => Self::PushPromise,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            other => Self::Other(other),
        }
    }
}

/// The flags of a frame. The meaning of a bit depends on the frame type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// SETTINGS and PING.
    pub const ACK: u8 = 0x01;
    /// DATA and HEADERS.
    pub const END_STREAM: u8 = 0x01;
    /// HEADERS, PUSH_PROMISE and CONTINUATION.
    pub const END_HEADERS: u8 = 0x04;
    /// DATA, HEADERS and PUSH_PROMISE.
    pub const PADDED: u8 = 0x08;
    /// HEADERS.
    pub const PRIORITY: u8 = 0x20;

    /// Whether all of `bits` are set.
    #[must_use]
    pub fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }

    fn only(self, bits: u8) -> bool {
        self.0 & !bits == 0
    }
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes after the header; 24 bits.
    pub payload_bytes: u32,
    /// The frame type.
    pub kind: FrameType,
    /// The flags.
    pub flags: Flags,
    /// Stream identifier; 31 bits, 0 for the connection.
    pub stream: u32,
}

impl FrameHeader {
    /// Reads the first nine bytes; ignores the reserved bit, as a receiver must. `None` if there
    /// are fewer.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Self {
            payload_bytes: u32::from_be_bytes([0, l0, l1, l2]),
            kind: kind.into(),
            flags: Flags(flags),
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        })
    }

    /// Header and payload, in bytes.
    #[must_use]
    pub fn frame_bytes(&self) -> u32 {
        // At most 2^24 + 8.
        self.payload_bytes + HEADER_BYTES as u32
    }
}

/// Extensions registered with IANA: ALTSVC (RFC 7838), ORIGIN (RFC 8336) and PRIORITY_UPDATE
/// (RFC 9218).
const REGISTERED_EXTENSIONS: [u8; 3] = [0x0a, 0x0c, 0x10];

/// Whether nine bytes are plausible as a frame header from a current sender: a registered type, a
/// length of at most `max_frame_bytes` that is valid for the type, only flags that the type
/// defines, the reserved bit clear, and a stream id where the type requires one.
///
/// Stricter than a receiver, which must skip unknown types and flags: this recognises HTTP/2 in the
/// middle of a connection. About one in four million random byte strings passes, so one header is
/// not enough: another must follow at the end of its frame.
#[must_use]
pub fn plausible(header: &[u8; HEADER_BYTES], max_frame_bytes: u32) -> bool {
    let reserved_bit = header[5] & 0x80 != 0;
    FrameHeader::parse(header).is_some_and(|frame| {
        !reserved_bit && frame.payload_bytes <= max_frame_bytes && shape_allowed(&frame)
    })
}

/// The rules of section 6 for each type.
fn shape_allowed(frame: &FrameHeader) -> bool {
    let (bytes, flags) = (frame.payload_bytes, frame.flags);
    let on_stream = frame.stream != 0;
    let least = |fixed| fixed + u32::from(flags.has(Flags::PADDED));
    match frame.kind {
        FrameType::Data => {
            on_stream && flags.only(Flags::END_STREAM | Flags::PADDED) && bytes >= least(0)
        }
        FrameType::Headers => {
            let defined = Flags::END_STREAM | Flags::END_HEADERS | Flags::PADDED | Flags::PRIORITY;
            let priority_bytes = if flags.has(Flags::PRIORITY) { 5 } else { 0 };
            on_stream && flags.only(defined) && bytes >= least(priority_bytes)
        }
        FrameType::Priority => on_stream && flags.only(0) && bytes == 5,
        FrameType::RstStream => on_stream && flags.only(0) && bytes == 4,
        FrameType::Settings => {
            let length_fits = if flags.has(Flags::ACK) {
                bytes == 0
            } else {
                bytes % 6 == 0
            };
            !on_stream && flags.only(Flags::ACK) && length_fits
        }
        FrameType::PushPromise => {
            let defined = Flags::END_HEADERS | Flags::PADDED;
            on_stream && flags.only(defined) && bytes >= least(4)
        }
        FrameType::Ping => !on_stream && flags.only(Flags::ACK) && bytes == 8,
        FrameType::GoAway => !on_stream && flags.only(0) && bytes >= 8,
        FrameType::WindowUpdate => flags.only(0) && bytes == 4,
        FrameType::Continuation => on_stream && flags.only(Flags::END_HEADERS),
        FrameType::Other(kind) => REGISTERED_EXTENSIONS.contains(&kind) && flags.only(0),
    }
}
