//! Classifies a header block. In: its fields, its direction, and the state of its stream. Out:
//! [`MessageKind`].

use super::Fields;
use crate::http2::fragments::Direction;

/// The message of a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A request, which opens a stream.
    Request,
    /// A 1xx response; the final response follows.
    Interim,
    /// A final response, possibly of trailers only.
    Response,
    /// The fields after a body, in either direction.
    Trailers,
}

/// The state of a stream before the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// The stream's id is greater than that of any stream so far.
    New,
    /// Its request was seen.
    Requested,
    /// Its final response was seen, or a response of unknown status.
    Answered,
    /// The stream is older than the known ones, or has ended.
    Old,
}

/// Pseudo-header fields decide, where they are known: every request and every response has some,
/// and trailers have none (RFC 9113 section 8.1). Where they may be among the unknown fields, the
/// state of the stream decides. `None` for a malformed block.
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
        // Without a pseudo-header field they may as well be the trailers of a request that was not
        // seen, or no frame.
        Direction::ToServer if fields.unknown() && fields.has_trace() => Some(MessageKind::Request),
        Direction::ToServer => fields.unknown().then_some(MessageKind::Trailers),
        Direction::ToClient if fields.is_request() => None,
        Direction::ToClient if fields.is_response() => Some(response(fields)),
        Direction::ToClient => response_without_status(fields, stream, end_stream),
    }
}

fn response(fields: &Fields) -> MessageKind {
    match fields.status() {
        Some(100..=199) => MessageKind::Interim,
        _ => MessageKind::Response,
    }
}

/// A block from the server without a known `:status`.
fn response_without_status(
    fields: &Fields,
    stream: StreamState,
    end_stream: bool,
) -> Option<MessageKind> {
    let response = fields.unknown().then_some(MessageKind::Response);
    match stream {
        // Without unknown fields these are trailers, and the response before them was lost.
        StreamState::Requested if response.is_some() => response,
        _ if end_stream => Some(MessageKind::Trailers),
        // Trailers would end the stream, so this is the response. The response before it was an
        // interim one of unknown status.
        _ => response,
    }
}
