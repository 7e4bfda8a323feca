//! The first bytes of a request or response.

use bytes::Bytes;
use tracer_common::{head as raw, message::Message};

use super::{DecodeError, plain::from_prefix, tuple::Tuple};

/// A captured head. The bytes may hold secrets of the application: parse them and drop them.
#[derive(Clone)]
pub struct Head {
    /// Request or response.
    pub message: Message,
    /// When the packet left the sending socket, nanoseconds of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// Cookie of the sending socket.
    pub sender_cookie: u64,
    /// TCP sequence number of the packet's first byte.
    pub seq: u32,
    /// TCP acknowledgment number of the packet.
    pub ack: u32,
    /// TCP payload of the packet in bytes; more than `bytes` holds where the copy was cut.
    pub payload_bytes: u32,
    /// Where `bytes` begin in the payload.
    pub offset: u32,
    /// Addresses as the sender wrote them.
    pub sent: Tuple,
    /// The head began in an earlier packet, and these bytes follow those of the previous record.
    pub continues: bool,
    /// The copied bytes.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Header values never reach a log.
        f.debug_struct("Head")
            .field("message", &self.message)
            .field("sender_cookie", &self.sender_cookie)
            .field("seq", &self.seq)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Head, DecodeError> {
    let raw: raw::Head = from_prefix(bytes).ok_or(short)?;
    let message = match Message::try_from(raw.message) {
        Ok(message @ (Message::Request | Message::Response)) => message,
        _ => {
            return Err(DecodeError::Value {
                field: "head message",
                value: raw.message.into(),
            });
        }
    };
    let captured = usize::try_from(raw.captured_bytes)
        .ok()
        .and_then(|captured| bytes[size_of::<raw::Head>()..].get(..captured))
        .ok_or(short)?;
    Ok(Head {
        message,
        start_ns: raw.start_ns,
        sender_cookie: raw.sender_cookie,
        seq: raw.seq,
        ack: raw.ack,
        payload_bytes: raw.payload_bytes,
        offset: raw.offset,
        sent: raw.sent.into(),
        continues: raw.continues != 0,
        bytes: Bytes::copy_from_slice(captured),
    })
}
