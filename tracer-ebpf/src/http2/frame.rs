//! Frame headers (RFC 9113 section 4.1).

use aya_ebpf::programs::SkBuffContext;

use crate::packet::Packet;

pub(super) const FRAME_HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// Flag of DATA: the sender ends the stream.
const END_STREAM: u8 = 1;
/// All registered types are below this. Other types are sent to see that the peer ignores them
/// (GREASE, 0x0b + n * 0x1f).
const TYPES: u8 = 0x20;
/// The initial value of SETTINGS_MAX_FRAME_SIZE.
const DEFAULT_FRAME_BYTES: u32 = 16_384;

pub(super) struct Frame {
    pub(super) payload_bytes: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Frame {
    /// The header at `offset` of the payload; `None` if it is not complete.
    #[inline(always)]
    pub(super) fn at(ctx: &SkBuffContext, packet: &Packet, offset: u32) -> Option<Self> {
        if packet.payload_bytes < offset + FRAME_HEADER_BYTES as u32 {
            return None;
        }
        let header = ctx.load((packet.payload_offset + offset) as usize).ok()?;
        Some(Self::parse(header))
    }

    #[inline(always)]
    pub(super) fn parse(header: [u8; FRAME_HEADER_BYTES]) -> Self {
        Self {
            payload_bytes: u32::from_be_bytes([0, header[0], header[1], header[2]]),
            kind: header[3],
            flags: header[4],
            stream: u32::from_be_bytes([header[5], header[6], header[7], header[8]]),
        }
    }

    /// Whether the header is valid where a frame is known to start. Section 5.5 allows unknown
    /// types, which are ignored. They are expected to be short: the length of text is not.
    #[inline(always)]
    pub(super) fn is_possible(&self) -> bool {
        self.kind < TYPES || self.payload_bytes <= DEFAULT_FRAME_BYTES
    }

    /// Whether the type is unknown, and the header possible.
    #[inline(always)]
    fn is_unknown(&self) -> bool {
        self.kind > CONTINUATION && self.payload_bytes <= DEFAULT_FRAME_BYTES
    }

    #[inline(always)]
    pub(super) fn is_headers(&self) -> bool {
        self.kind == HEADERS
    }

    /// How many bytes of the frame user space needs, from the first byte of its header: all, or of
    /// DATA that ends a stream the header, or none. PUSH_PROMISE changes the state of the header
    /// compression.
    #[inline(always)]
    pub(super) fn copied_bytes(&self) -> u32 {
        match self.kind {
            HEADERS | RST_STREAM | SETTINGS | PUSH_PROMISE | GOAWAY | CONTINUATION => {
                self.frame_bytes()
            }
            DATA if self.flags & END_STREAM != 0 => FRAME_HEADER_BYTES as u32,
            _ => 0,
        }
    }

    /// Header and payload.
    #[inline(always)]
    pub(super) fn frame_bytes(&self) -> u32 {
        FRAME_HEADER_BYTES as u32 + self.payload_bytes
    }

    /// Whether any nine bytes are most likely a frame header.
    #[inline(always)]
    fn is_likely(&self) -> bool {
        let on_stream = self.stream != 0 && self.stream >> 31 == 0;
        let bytes = self.payload_bytes;
        if bytes > DEFAULT_FRAME_BYTES {
            return false;
        }
        match self.kind {
            // END_STREAM, PADDED.
            DATA => on_stream && self.flags & !0x09 == 0,
            // END_STREAM, END_HEADERS, PADDED, PRIORITY.
            HEADERS => on_stream && self.flags & !0x2d == 0 && bytes > 0,
            PRIORITY => on_stream && self.flags == 0 && bytes == 5,
            RST_STREAM => on_stream && self.flags == 0 && bytes == 4,
            // ACK.
            SETTINGS => {
                self.stream == 0
                    && self.flags & !0x01 == 0
                    && bytes.is_multiple_of(6)
                    && bytes < 128
            }
            PUSH_PROMISE => on_stream && self.flags & !0x0c == 0 && bytes > 4,
            PING => self.stream == 0 && self.flags & !0x01 == 0 && bytes == 8,
            GOAWAY => self.stream == 0 && self.flags == 0 && bytes >= 8,
            WINDOW_UPDATE => self.stream >> 31 == 0 && self.flags == 0 && bytes == 4,
            _ => false,
        }
    }
}

/// Whether a packet most likely starts with a frame: its first header is likely, and the frame ends
/// with the packet, or another likely header or one of an unknown type follows. A frame that is
/// longer than its packet must be HEADERS or SETTINGS, for which random bytes are hardly taken.
#[inline(always)]
pub(super) fn looks_like_frames(ctx: &SkBuffContext, packet: &Packet) -> bool {
    let Some(first) = Frame::at(ctx, packet, 0) else {
        return false;
    };
    if !first.is_likely() {
        return false;
    }
    let end = FRAME_HEADER_BYTES as u32 + first.payload_bytes;
    if end == packet.payload_bytes {
        return true;
    }
    if end > packet.payload_bytes {
        return first.is_headers() || first.kind == SETTINGS;
    }
    Frame::at(ctx, packet, end).is_none_or(|second| second.is_likely() || second.is_unknown())
}
