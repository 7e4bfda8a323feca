//! A captured head for tests.

use bytes::Bytes;
use tracer_common::message::Message;

use crate::decode::{Head, JourneyBuilder};

/// A request head in a packet of its own, sent by the client of [`JourneyBuilder`] at 0 ns with
/// sequence number 100.
pub(super) fn request_head(bytes: &[u8]) -> Head {
    Head {
        message: Message::Request,
        start_ns: 0,
        sender_cookie: JourneyBuilder::CLIENT_COOKIE,
        seq: 100,
        ack: 0,
        payload_bytes: u32::try_from(bytes.len()).unwrap(),
        offset: 0,
        sent: JourneyBuilder::client_to_server(),
        continues: false,
        bytes: Bytes::copy_from_slice(bytes),
    }
}
