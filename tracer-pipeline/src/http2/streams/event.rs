//! Events and counters of a connection.

use crate::http2::{
    fragments::Direction,
    frame::FrameError,
    headers::{RequestHeaders, ResponseHeaders, Trailers},
    hpack::HpackError,
};

/// An event on a connection. `seq` is the TCP sequence number of the first byte of its frame, in
/// the direction in which the frame was sent. The packet with that byte carries the message.
///
/// Events of a stream come only between its [`Request`](Self::Request), or the upgrade, and its
/// end: [`Trailers`](Self::Trailers), [`End`](Self::End), [`Reset`](Self::Reset),
/// [`Refused`](Self::Refused), [`Evicted`](Self::Evicted) or a response with `end_stream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request, which opens a stream.
    Request {
        /// Stream identifier.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// The request's fields.
        headers: RequestHeaders,
    },
    /// A 1xx response; the final response is still to come.
    Interim {
        /// Stream identifier.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// The status code.
        status: Option<u16>,
    },
    /// The final response. A second response replaces the first, which was an interim response of
    /// unknown status.
    Response {
        /// Stream identifier.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// The response's fields; with `end_stream` it ends the stream.
        headers: ResponseHeaders,
    },
    /// The response has ended with trailers.
    Trailers {
        /// Stream identifier.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// The trailers' fields.
        trailers: Trailers,
    },
    /// The last DATA frame of a response.
    End {
        /// Stream identifier.
        stream: u32,
        /// See [`Event`].
        seq: u32,
    },
    /// One side has ended the stream before its end (RFC 9113 section 6.4).
    Reset {
        /// Stream identifier.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// The direction of its sender.
        direction: Direction,
        /// Error code (section 7).
        code: u32,
    },
    /// The server sends GOAWAY and has not processed this stream (section 6.8).
    Refused {
        /// Stream identifier.
        stream: u32,
        /// Error code (section 7).
        code: u32,
    },
    /// One side accepts no more streams. Comes after the [`Refused`](Self::Refused) events it
    /// causes.
    GoAway {
        /// The direction of its sender.
        direction: Direction,
        /// The last stream that the side has processed or will process.
        last_stream: u32,
        /// Error code (section 7).
        code: u32,
    },
    /// Too many streams are open, or the end of this stream was not seen: no further event of it will
    /// come.
    Evicted {
        /// Stream identifier.
        stream: u32,
    },
    /// The end of this stream's request was not seen: frames of the stream may have come before this
    /// event.
    Late {
        /// Stream identifier.
        stream: u32,
    },
    /// Frames were lost or could not be decoded. From here on fields of this direction may be
    /// unknown, until the dynamic table is known again.
    Desynchronised {
        /// The direction.
        direction: Direction,
        /// The cause.
        cause: DesyncCause,
    },
}

impl Event {
    /// The event of a block whose end was not seen: neither was the time at which the stream ends
    /// with it.
    pub(super) fn without_end(self, out: &mut impl FnMut(Self)) {
        match self {
            Self::Response {
                stream,
                seq,
                mut headers,
            } if headers.end_stream => {
                headers.end_stream = false;
                out(Self::Response {
                    stream,
                    seq,
                    headers,
                });
                out(Self::Evicted { stream });
            }
            Self::Trailers { stream, .. } => out(Self::Evicted { stream }),
            Self::Request { stream, .. } => {
                out(self);
                out(Self::Late { stream });
            }
            event => out(event),
        }
    }
}

/// Why a direction is desynchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesyncCause {
    /// Fragments were lost between kernel and agent.
    #[error("fragments were lost")]
    Lost,
    /// The block was longer than the captured part.
    #[error("header block was cut")]
    Cut,
    /// The frames violate the protocol, or are no HTTP/2 frames.
    #[error(transparent)]
    Frame(FrameError),
    /// The block cannot be decoded.
    #[error(transparent)]
    Hpack(HpackError),
}

/// Counters of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ConnectionCounts {
    /// Header blocks, complete or cut.
    pub blocks: u64,
    /// Header blocks with unknown fields.
    pub blocks_incomplete: u64,
    /// Header blocks that are no valid message.
    pub blocks_malformed: u64,
    /// Responses and trailers of streams whose request was not seen, or that have ended.
    pub blocks_unmatched: u64,
    /// RST_STREAM, GOAWAY and SETTINGS frames that could not be parsed.
    pub frames_malformed: u64,
    /// Fragments that were retransmitted, or came too late.
    pub fragments_again: u64,
    /// How often a direction was desynchronised.
    pub desynchronised: u64,
    /// Streams evicted for newer ones before their end.
    pub streams_evicted: u64,
}
