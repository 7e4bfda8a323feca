//! Collects the fields of a header block. In: [`Field`]s. Out: the values that spans need.

use tracer_common::trace_header::TraceHeader;

use super::{
    RequestHeaders, ResponseHeaders, Trailers,
    retention::{is_grpc, is_traceparent},
    single_field::SingleField,
};
use crate::{
    http::{
        head::{self, Method},
        rpc::Rpc,
        trace_context::{self, TRACERESPONSE, Traceresponse},
    },
    http2::hpack::{Decoder, Field, HpackError},
};

/// The fields of a block. Bounded: each value is parsed once, and only path and authority are
/// copied.
#[derive(Default)]
pub struct Fields {
    method: SingleField<Method>,
    path: SingleField<String>,
    authority: SingleField<String>,
    host: SingleField<String>,
    scheme_seen: bool,
    status: SingleField<u16>,
    content_is_grpc: SingleField<bool>,
    grpc_status: SingleField<u32>,
    body_bytes: SingleField<u32>,
    trace: trace_context::Reader,
    traceparent_seen: bool,
    traceresponse: Traceresponse,
    nameless: Nameless,
    unknown: bool,
}

/// Values under unknown names that have the form of a `traceparent`, which is also that of a
/// `traceresponse`.
#[derive(Clone, Copy, Default)]
enum Nameless {
    #[default]
    None,
    /// One value, possibly repeated: some agents also send it under a name of their own.
    One([u8; 55]),
    /// Different values: the trace context is ambiguous.
    Several,
}

impl Fields {
    /// Decodes a block. Also returns whether the whole block could be decoded; if not, the fields
    /// are those before the defect, and the caller must reset the decoder's table.
    pub fn read(decoder: &mut Decoder, block: &[u8]) -> (Self, Result<(), HpackError>) {
        let mut fields = Self::default();
        let decoded = decoder.decode(block, |field| fields.add(field));
        fields.unknown |= decoded.is_err();
        (fields, decoded)
    }

    /// Whether some fields are unknown.
    #[must_use]
    pub fn unknown(&self) -> bool {
        self.unknown
    }

    /// Records that the block was cut.
    pub fn cut(&mut self) {
        self.unknown = true;
    }

    /// Whether the block has a pseudo-header field of requests.
    pub(super) fn is_request(&self) -> bool {
        self.method.seen() || self.path.seen() || self.authority.seen() || self.scheme_seen
    }

    /// Whether the block has `:status`.
    pub(super) fn is_response(&self) -> bool {
        self.status.seen()
    }

    /// Whether the block has a trace context, which trailers have not.
    pub(super) fn has_trace(&self) -> bool {
        self.traceparent_seen || !matches!(self.nameless, Nameless::None)
    }

    /// The status code, if known.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status.value().copied()
    }

    /// The block as a request.
    #[must_use]
    pub fn into_request(mut self, end_stream: bool) -> RequestHeaders {
        if let (Nameless::One(value), false) = (self.nameless, self.traceparent_seen) {
            self.trace.read_header(TraceHeader::Traceparent, &value);
        }
        let grpc = self.grpc();
        let path = self.path.into_value();
        let rpc = if grpc == Some(true) {
            path.as_deref().and_then(Rpc::from_path)
        } else {
            None
        };
        let authority = if self.authority.seen() {
            self.authority
        } else {
            self.host
        };
        RequestHeaders {
            method: self.method.into_value(),
            path,
            authority: authority.into_value(),
            tracestate: self.trace.tracestate(),
            trace: self.trace.extraction().of_head(!self.unknown),
            grpc,
            rpc,
            end_stream,
            incomplete: self.unknown,
        }
    }

    /// The block as a final response.
    #[must_use]
    pub fn into_response(mut self, end_stream: bool) -> ResponseHeaders {
        if let (Nameless::One(value), false) = (self.nameless, self.traceresponse.is_sent()) {
            self.traceresponse.read(&value);
        }
        ResponseHeaders {
            status: self.status(),
            grpc: self.grpc(),
            grpc_status: self.grpc_status.into_value(),
            server_span: self.traceresponse.server_span(),
            body_bytes: self.body_bytes.into_value(),
            end_stream,
            incomplete: self.unknown,
        }
    }

    /// The block as trailers.
    #[must_use]
    pub fn into_trailers(self) -> Trailers {
        Trailers {
            grpc_status: self.grpc_status.into_value(),
            incomplete: self.unknown,
        }
    }

    fn grpc(&self) -> Option<bool> {
        match &self.content_is_grpc {
            SingleField::Never => (!self.unknown).then_some(false),
            SingleField::Once(grpc) => *grpc,
            SingleField::Again => Some(false),
        }
    }

    fn add(&mut self, field: Field<'_>) {
        match field {
            Field::Known { name, value } => self.known(name, Some(value)),
            Field::NotKept { name } => self.known(name, None),
            Field::Nameless { value } => {
                self.unknown = true;
                self.nameless(value);
            }
            Field::Unknown => self.unknown = true,
        }
    }

    /// `value` is `None` if the dynamic table did not store it.
    fn known(&mut self, name: &[u8], value: Option<&[u8]>) {
        match name {
            b":method" => self.method.take(|| method(value?)),
            b":path" => self.path.take(|| path(value?)),
            b":authority" => self.authority.take(|| head::authority(value?)),
            b":scheme" => self.scheme_seen = true,
            b":status" => self.status.take(|| status(value?)),
            b"host" => self.host.take(|| head::authority(value?)),
            // The dynamic table stores only gRPC's content type.
            b"content-type" => self
                .content_is_grpc
                .take(|| Some(value.is_some_and(is_grpc))),
            b"content-length" => self.body_bytes.take(|| number(value?)),
            b"grpc-status" => self.grpc_status.take(|| number(value?)),
            name if name == TRACERESPONSE.as_bytes() => {
                value
                    .into_iter()
                    .for_each(|value| self.traceresponse.read(value));
            }
            name => {
                if let (Some(header), Some(value)) = (TraceHeader::find(name), value) {
                    self.traceparent_seen |= header == TraceHeader::Traceparent;
                    self.trace.read_header(header, value);
                }
            }
        }
    }

    fn nameless(&mut self, value: &[u8]) {
        if !is_traceparent(value) {
            return;
        }
        self.nameless = match (self.nameless, value.try_into()) {
            (Nameless::None, Ok(value)) => Nameless::One(value),
            (Nameless::One(one), _) if one == value => self.nameless,
            _ => Nameless::Several,
        };
    }
}

/// A token (RFC 9110 section 5.6.2), which is ASCII.
fn method(value: &[u8]) -> Option<Method> {
    let tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let token = str::from_utf8(value).ok()?;
    (!token.is_empty() && value.iter().all(tchar)).then(|| Method::from_token(token))
}

/// Origin or asterisk form; no other form is valid (RFC 9113 section 8.3.1).
fn path(value: &[u8]) -> Option<String> {
    match value {
        b"*" => Some("*".to_owned()),
        [b'/', ..] => head::path(value, false),
        _ => None,
    }
}

/// Three digits (RFC 9110 section 15).
fn status(value: &[u8]) -> Option<u16> {
    let status = number(value).filter(|_| value.len() == 3)?;
    u16::try_from(status).ok().filter(|status| *status >= 100)
}

/// Accepts decimal digits only.
fn number(value: &[u8]) -> Option<u32> {
    let digits = value.iter().all(u8::is_ascii_digit);
    str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}
