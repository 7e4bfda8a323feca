//! What a packet carries, wherever it is first seen: at the socket that sends it, or where it arrives
//! from another node. Copies what user space needs of it.

use tracer_common::{journey::HEAD_LOST, message::Message};

use crate::{
    classify,
    head::{self, Piece},
    http2, partial,
    sent::Sent,
};

/// What the packet carries. A connection that is known to be HTTP/2 is asked first: its bodies may
/// look like anything.
#[inline(always)]
pub(crate) fn message<const HTTP2: bool>(sent: &Sent<'_>) -> Option<Message> {
    if let Some(handshake) = classify::handshake(sent.packet) {
        return Some(handshake);
    }
    if !(HTTP2 && http2::is_known(sent.sender_cookie)) {
        if let Some(head) = classify::http1(sent.ctx, sent.packet) {
            if head as u8 == Message::Request as u8 {
                partial::begin(sent);
            } else if HTTP2 && http2::switches(sent) && http2::follow(sent) {
                // The answer follows in the packet that announces it.
                return Some(Message::Headers);
            }
            return Some(head);
        }
        if partial::go_on(sent) || !HTTP2 || !http2::recognise(sent) {
            return None;
        }
    }
    http2::follow(sent).then_some(Message::Headers)
}

/// Copies the head of HTTP/1 that a packet starts with; the flags of its journey.
#[inline(always)]
pub(crate) fn copy_head(sent: &Sent<'_>, message: Message) -> u8 {
    let copied = match message {
        Message::Request => head::capture(sent, Piece::Request),
        Message::Response => head::capture(sent, Piece::Response),
        _ => true,
    };
    if copied { 0 } else { HEAD_LOST }
}
