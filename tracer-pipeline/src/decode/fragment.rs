//! HTTP/2 bytes that one packet carried, without DATA payload.

use bytes::Bytes;
use tracer_common::fragment as raw;

use super::{DecodeError, plain::from_prefix, tuple::Tuple};

/// Consecutive HTTP/2 frames, or a part of one. The bytes may hold secrets of the application:
/// parse them and drop them.
#[derive(Clone)]
pub struct Fragment {
    /// When the packet left the sending socket, nanoseconds of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// Cookie of the sending socket.
    pub sender_cookie: u64,
    /// TCP sequence number of the packet.
    pub packet_seq: u32,
    /// TCP sequence number of the first byte.
    pub seq: u32,
    /// The first byte is the first of a frame header.
    pub starts_frame: bool,
    /// The last frame continues beyond the bytes that were copied.
    pub cut: bool,
    /// The kernel program lost the frame boundaries before this fragment, and found them again
    /// unless the fragment is empty.
    pub lost_before: bool,
    /// The connection was recognised by its frames, without its preface.
    pub recognised: bool,
    /// Addresses as the sender wrote them.
    pub sent: Tuple,
    /// The copied bytes.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Fragment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Header values never reach a log.
        f.debug_struct("Fragment")
            .field("sender_cookie", &self.sender_cookie)
            .field("seq", &self.seq)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Fragment, DecodeError> {
    let raw: raw::Fragment = from_prefix(bytes).ok_or(short)?;
    let prefix = raw
        .prefix
        .len()
        .checked_sub(raw.prefix_bytes.into())
        .and_then(|start| raw.prefix.get(start..))
        .ok_or(DecodeError::Value {
            field: "fragment prefix",
            value: raw.prefix_bytes.into(),
        })?;
    let captured = usize::try_from(raw.captured_bytes)
        .ok()
        .and_then(|captured| bytes[size_of::<raw::Fragment>()..].get(..captured))
        .ok_or(short)?;
    let is = |flag| raw.flags & flag != 0;
    Ok(Fragment {
        start_ns: raw.start_ns,
        sender_cookie: raw.sender_cookie,
        packet_seq: raw.packet_seq,
        seq: raw.seq,
        starts_frame: is(raw::STARTS_FRAME),
        cut: is(raw::CUT),
        lost_before: is(raw::LOST_BEFORE),
        recognised: is(raw::RECOGNISED),
        sent: raw.sent.into(),
        bytes: Bytes::from([prefix, captured].concat()),
    })
}
