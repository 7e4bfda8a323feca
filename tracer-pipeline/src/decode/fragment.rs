//! A piece of HTTP/2, without its bodies.

use bytes::Bytes;
use tracer_common::fragment as raw;

use super::{DecodeError, plain::from_prefix, tuple::Tuple};

/// Frames that follow each other, or a part of one. Its bytes hold other people's secrets: parse
/// it and let it go.
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
    /// The last frame goes on in this packet, but was not copied further.
    pub cut: bool,
    /// Frame boundaries were lost before this fragment, and found again.
    pub lost_before: bool,
    /// The connection was recognised by its frames, not by its preface.
    pub recognised: bool,
    /// As the sender wrote the packet.
    pub sent: Tuple,
    /// What was copied.
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
