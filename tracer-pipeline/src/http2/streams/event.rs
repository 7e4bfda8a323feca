//! What a connection tells.

use crate::http2::{
    fragments::Direction,
    frame::FrameError,
    headers::{RequestHeaders, ResponseHeaders, Trailers},
    hpack::HpackError,
};

/// Something has happened on a connection. `seq` is the TCP sequence number of the first byte of
/// the frame that says so, in the direction in which it was sent: it lies in the packet whose
/// journey is the message's.
///
/// Events of a stream come only between its [`Request`](Self::Request), or the upgrade, and its
/// end: [`Trailers`](Self::Trailers), [`End`](Self::End), [`Reset`](Self::Reset),
/// [`Refused`](Self::Refused), [`Evicted`](Self::Evicted) or a response with `end_stream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stream has been opened.
    Request {
        /// Stream number.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// What is asked.
        headers: RequestHeaders,
    },
    /// A 1xx response; the final one is still to come.
    Interim {
        /// Stream number.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// The status code.
        status: Option<u16>,
    },
    /// The final response. A second one replaces the first, which was an interim one whose status
    /// was unknown.
    Response {
        /// Stream number.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// What is answered; with `end_stream` it ends the stream.
        headers: ResponseHeaders,
    },
    /// The response has ended with trailers.
    Trailers {
        /// Stream number.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// What they say.
        trailers: Trailers,
    },
    /// The response has ended with its last DATA frame, if that frame's header is among the
    /// fragments.
    End {
        /// Stream number.
        stream: u32,
        /// See [`Event`].
        seq: u32,
    },
    /// One side has ended the stream before its end (RFC 9113 section 6.4).
    Reset {
        /// Stream number.
        stream: u32,
        /// See [`Event`].
        seq: u32,
        /// Who.
        direction: Direction,
        /// Error code (section 7).
        code: u32,
    },
    /// The server goes away and has not processed this stream (section 6.8).
    Refused {
        /// Stream number.
        stream: u32,
        /// Error code (section 7).
        code: u32,
    },
    /// One side takes no more streams. Comes after the [`Refused`](Self::Refused) that it causes.
    GoAway {
        /// Who.
        direction: Direction,
        /// The last stream that it has processed or will process.
        last_stream: u32,
        /// Error code (section 7).
        code: u32,
    },
    /// More streams are open than are remembered; nothing more will be told of this one.
    Evicted {
        /// Stream number.
        stream: u32,
    },
    /// Something was lost or could not be read. From here on fields of this direction may be
    /// unknown, until enough new ones have been seen.
    Desynchronised {
        /// Which direction.
        direction: Direction,
        /// Why.
        cause: DesyncCause,
    },
}

/// Why a direction is desynchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesyncCause {
    /// Fragments were lost on the way here.
    #[error("fragments were lost")]
    Lost,
    /// The block was longer than what is captured.
    #[error("header block was cut")]
    Cut,
    /// The frames do not follow the protocol, or are not what they were taken for.
    #[error(transparent)]
    Frame(FrameError),
    /// The block cannot be decoded.
    #[error(transparent)]
    Hpack(HpackError),
}

/// What was found on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ConnectionCounts {
    /// Header blocks, whole or not.
    pub blocks: u64,
    /// Header blocks of which not all fields are known.
    pub blocks_incomplete: u64,
    /// Header blocks that are no message the protocol allows.
    pub blocks_malformed: u64,
    /// Responses and trailers of streams whose request was not seen, or that are over.
    pub blocks_unmatched: u64,
    /// RST_STREAM, GOAWAY and SETTINGS frames that could not be read.
    pub frames_malformed: u64,
    /// Fragments that came again, or too late.
    pub fragments_again: u64,
    /// How often a direction was desynchronised.
    pub desynchronised: u64,
    /// Streams given up for newer ones before their end.
    pub streams_evicted: u64,
}
