//! Which message a header block belongs to. In: its fields, who sent it, and what is known of its
//! stream. Out: [`MessageKind`].

use super::Fields;
use crate::http2::fragments::Direction;

/// What a header block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Opens a stream.
    Request,
    /// A 1xx response; the final one follows.
    Interim,
    /// A final response, maybe of trailers only.
    Response,
    /// The fields after a body, of whichever direction.
    Trailers,
}

/// What is known of the stream before the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// Its number is greater than that of any stream so far.
    New,
    /// Its request was seen.
    Requested,
    /// So was its final response, or what was taken for it.
    Answered,
    /// It is older than what is known, or over.
    Old,
}

/// Pseudo-header fields decide, where they are known: every request and every response has some,
/// and trailers have none (RFC 9113 section 8.1). Where they may be among the unknown fields, the
/// state of the stream does. `None` for a block that is malformed.
#[must_use]
pub fn message_kind(
    fields: &Fields,
    direction: Direction,
    stream: StreamState,
    end_stream: bool,
) -> Option<MessageKind> {
    match direction {
        Direction::ToServer if fields.is_response() => None,
        Direction::ToServer if fields.is_request() => Some(MessageKind::Request),
        Direction::ToServer if stream != StreamState::New => {
            end_stream.then_some(MessageKind::Trailers)
        }
        Direction::ToServer => fields.unknown().then_some(MessageKind::Request),
        Direction::ToClient if fields.is_request() => None,
        Direction::ToClient if fields.is_response() => Some(response(fields)),
        Direction::ToClient => headless_answer(fields, stream, end_stream),
    }
}

fn response(fields: &Fields) -> MessageKind {
    match fields.status() {
        Some(100..=199) => MessageKind::Interim,
        _ => MessageKind::Response,
    }
}

/// A block from the server without a known `:status`.
fn headless_answer(fields: &Fields, stream: StreamState, end_stream: bool) -> Option<MessageKind> {
    let response = fields.unknown().then_some(MessageKind::Response);
    match stream {
        StreamState::Requested => response,
        _ if end_stream => Some(MessageKind::Trailers),
        // Trailers end the stream. If this is the response, then what was taken for it before was
        // an interim one of unknown status.
        _ => response,
    }
}
