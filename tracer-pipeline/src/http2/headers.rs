//! Reads a header block's fields for spans. In: a block and the decoder of its direction. Out:
//! [`RequestHeaders`], [`ResponseHeaders`] or [`Trailers`].
//!
//! Copies method, path, authority, status, trace context and gRPC's status out of the block; no
//! other value and no query. An unknown value is `None`, never a guess.

mod fields;
mod message_kind;
mod retention;
mod single_field;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::http::Answered;
use crate::http::head::Method;
use crate::http::rpc::Rpc;
use crate::http::trace_context::{Extraction, ServerSpan};

pub use self::fields::Fields;
pub use self::message_kind::{MessageKind, StreamState, message_kind};
pub use self::retention::retained_part;
pub(crate) use self::retention::{is_grpc, is_traceparent};

/// A request (RFC 9113 section 8.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeaders {
    /// The method. `None` when unknown, repeated or no valid token.
    pub method: Option<Method>,
    /// The path without query, as in [`RequestHead`](crate::http::head::RequestHead): printable
    /// ASCII with other bytes percent-escaped, at most
    /// [`PATH_MAX_BYTES`](crate::http::head::PATH_MAX_BYTES). `None` when unknown, and for a
    /// `CONNECT` that has none.
    pub path: Option<String>,
    /// Host and port: `:authority`, else the `host` field; at most
    /// [`HOST_MAX_BYTES`](crate::http::head::HOST_MAX_BYTES).
    pub authority: Option<String>,
    /// The trace context.
    pub trace: Extraction,
    /// The `tracestate` of the trace context.
    pub tracestate: Option<Arc<str>>,
    /// Whether the request is a gRPC call; `None` when the content type may be among the unknown
    /// fields.
    pub grpc: Option<bool>,
    /// The service and method of a gRPC call whose path is known.
    pub rpc: Option<Rpc>,
    /// Whether the request has no body.
    pub end_stream: bool,
    /// Whether some fields are unknown or were cut.
    pub incomplete: bool,
}

/// A final response (RFC 9113 section 8.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// The status code. `None` when unknown.
    pub status: Option<u16>,
    /// As in [`RequestHeaders::grpc`].
    pub grpc: Option<bool>,
    /// gRPC's status, in a response that consists of trailers only.
    pub grpc_status: Option<u32>,
    /// The server's span, by `traceresponse`.
    pub server_span: Option<ServerSpan>,
    /// The length of the body, by `content-length`.
    pub body_bytes: Option<u32>,
    /// Whether the response has neither body nor trailers.
    pub end_stream: bool,
    /// Whether some fields are unknown or were cut.
    pub incomplete: bool,
}

impl From<&ResponseHeaders> for Answered {
    fn from(headers: &ResponseHeaders) -> Self {
        Self {
            status: headers.status,
            grpc_status: headers.grpc_status,
            server_span: headers.server_span,
        }
    }
}

/// The fields after a response's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailers {
    /// gRPC's status. `None` when there is none or it is unknown.
    pub grpc_status: Option<u32>,
    /// Whether some fields are unknown or were cut.
    pub incomplete: bool,
}
