//! Reads the head of an HTTP/1 message (RFC 9112). In: captured bytes, which start with the message
//! and may end anywhere. Out: [`RequestHead`], [`ResponseHead`], with what the capture holds whole.
//!
//! Copies method, path, host, status, trace context and framing out of the capture; no other header
//! value, no query and no body byte. As lenient as servers are: the receiver decides whether the
//! message is valid.

mod framing;
mod method;
mod readable;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use httparse::{EMPTY_HEADER, Header, ParserConfig};
use thiserror::Error;

use self::framing::FramingFields;
use self::readable::readable;
use self::target::Target;
use super::trace_context::{self, Extraction, ServerSpan, Traceresponse};

pub use self::framing::BodyFraming;
pub use self::method::Method;
pub use self::target::{HOST_MAX_BYTES, PATH_MAX_BYTES};
pub(crate) use self::target::{authority, path};

/// Most header fields a head may have. Servers allow between 100 (Apache, hyper) and as many
/// as fit their buffer.
pub const MAX_HEADERS: usize = 128;

/// Why captured bytes are not the start of an HTTP/1 head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeadError {
    /// Well-formed so far. More bytes may make it a head.
    #[error("head is cut before the end of its method or status code")]
    Incomplete,
    /// Method, target or status code.
    #[error("start line has a byte that no method, target or status may hold")]
    StartLine,
    /// Another protocol, or another major version.
    #[error("version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
    /// After any other defect of a field only that field is skipped.
    #[error("header field holds a NUL or a carriage return without line feed")]
    Field,
    /// See [`MAX_HEADERS`].
    #[error("head has more than {MAX_HEADERS} header fields")]
    TooManyFields,
}

/// The versions of HTTP that share this syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0, RFC 1945.
    Http10,
    /// HTTP/1.1, RFC 9112.
    Http11,
}

impl Version {
    /// The value of `network.protocol.version`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
        }
    }

    fn from_minor(minor: u8) -> Self {
        if minor == 0 {
            Self::Http10
        } else {
            Self::Http11
        }
    }
}

/// What is known of a request. While [`head_len`](Self::head_len) is `None` the end of the head was
/// not captured; what depends on header fields then comes from the whole lines before the cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target's path without query, printable ASCII with other bytes percent-escaped, at most
    /// [`PATH_MAX_BYTES`]. `*` for the asterisk form. `None` when the form has none
    /// (`CONNECT`) or the path is cut.
    pub path: Option<String>,
    /// Host and port as sent: the target's authority, else the Host field, if there is just one.
    /// At most [`HOST_MAX_BYTES`].
    pub host: Option<String>,
    /// `None` when the head is cut before the version.
    pub version: Option<Version>,
    /// The trace context, from the fields before the cut.
    pub trace: Extraction,
    /// The `tracestate` of the trace context.
    pub tracestate: Option<Arc<str>>,
    /// Captured bytes up to and including the blank line, where the body starts. `None` when the
    /// head is not complete.
    pub head_len: Option<usize>,
    /// Where the body ends.
    pub body: BodyFraming,
    /// Whether the client ends the connection after this exchange.
    pub connection_close: bool,
    /// Whether the client offers to change the protocol (RFC 9110 section 7.8). The protocol
    /// changes only if the response [`switches_protocol`](ResponseHead::switches_protocol).
    pub upgrade: bool,
    /// Whether the client offers HTTP/2 (RFC 7540 section 3.2).
    pub upgrade_h2c: bool,
}

/// What is known of a response. For an incomplete head, as in [`RequestHead`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code, three digits.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// Captured bytes up to and including the blank line, where the body starts. `None` when the
    /// head is not complete.
    pub head_len: Option<usize>,
    /// Whether the server ends the connection after this exchange.
    pub connection_close: bool,
    /// The server's span, by `traceresponse`.
    pub server_span: Option<ServerSpan>,
    fields: FramingFields,
}

impl RequestHead {
    /// Reads a request from its first byte on.
    ///
    /// # Errors
    /// [`HeadError::Incomplete`] while not even the method is complete; another error when no
    /// further bytes can make this a request.
    pub fn parse(captured: &[u8]) -> Result<Self, HeadError> {
        let bytes = readable(captured);
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = lenient().parse_request(&mut request, &bytes)?;

        let method = Method::from_token(request.method.ok_or(HeadError::Incomplete)?);
        let version = request.version.map(Version::from_minor);
        let Target { path, host } =
            Target::read(&method, raw_target(captured), request.path.is_none());
        let head_len = complete_len(parsed);
        let fields = framing_fields(request.headers);
        let trace = trace_context::read(whole_lines(request.headers));
        Ok(Self {
            method,
            path,
            host: host.or_else(|| host_field(request.headers)),
            version,
            trace: trace.extraction(),
            tracestate: trace.tracestate(),
            head_len,
            body: match (head_len, version) {
                (Some(_), Some(version)) => fields.request_body(version),
                _ => BodyFraming::Unknown,
            },
            connection_close: fields.connection_close(version),
            upgrade: fields.upgrade(),
            upgrade_h2c: fields.upgrade_h2c(),
        })
    }

    /// Whether the capture holds the whole head.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.head_len.is_some()
    }
}

impl ResponseHead {
    /// Reads a response from its first byte on.
    ///
    /// # Errors
    /// [`HeadError::Incomplete`] while the status code is incomplete; another error when no further
    /// bytes can make this a response.
    pub fn parse(captured: &[u8]) -> Result<Self, HeadError> {
        let bytes = readable(captured);
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = lenient().parse_response(&mut response, &bytes)?;

        let version = response
            .version
            .map(Version::from_minor)
            .ok_or(HeadError::Incomplete)?;
        let fields = framing_fields(response.headers);
        let mut traceresponse = Traceresponse::default();
        whole_lines(response.headers).for_each(|(name, value)| traceresponse.note(name, value));
        Ok(Self {
            status: response.code.ok_or(HeadError::Incomplete)?,
            version,
            head_len: complete_len(parsed),
            connection_close: fields.connection_close(Some(version)),
            server_span: traceresponse.server_span(),
            fields,
        })
    }

    /// Whether the capture holds the whole head.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.head_len.is_some()
    }

    /// Whether another response to the same request follows (RFC 9110 section 15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != 101
    }

    /// Whether the response to the request comes in HTTP/2 after this head (RFC 7540 section 3.2).
    #[must_use]
    pub fn accepts_h2c(&self) -> bool {
        self.status == 101 && self.fields.upgrade_h2c()
    }

    /// Whether the bytes after this head are no longer HTTP/1: 101, or a tunnel that `CONNECT`
    /// opened.
    #[must_use]
    pub fn switches_protocol(&self, request_method: &Method) -> bool {
        self.status == 101 || framing::opens_tunnel(request_method, self.status)
    }
}

/// Where a response's body ends, which depends on the request (RFC 9112 section 6.3).
/// [`BodyFraming::Unknown`] when the head is incomplete, unless method and status alone exclude a
/// body.
#[must_use]
pub fn response_body(request_method: &Method, head: &ResponseHead) -> BodyFraming {
    if !framing::response_may_have_body(request_method, head.status) {
        BodyFraming::None
    } else if head.complete() {
        head.fields.response_body(head.version)
    } else {
        BodyFraming::Unknown
    }
}

/// Of a line that servers would skip or repair, only its own field is lost. [`readable`] joins
/// folded lines before.
fn lenient() -> ParserConfig {
    let mut config = ParserConfig::default();
    config
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_requests(true)
        .ignore_invalid_headers_in_responses(true);
    config
}

fn complete_len(parsed: httparse::Status<usize>) -> Option<usize> {
    match parsed {
        httparse::Status::Complete(head_bytes) => Some(head_bytes),
        httparse::Status::Partial => None,
    }
}

/// The fields whose line is complete. After a cut, httparse leaves the remaining slots empty.
fn whole_lines<'b>(headers: &[Header<'b>]) -> impl Iterator<Item = (&'b str, &'b [u8])> {
    let fields = headers.iter().map(|header| (header.name, header.value));
    fields.take_while(|(name, _)| !name.is_empty())
}

fn framing_fields(headers: &[Header<'_>]) -> FramingFields {
    let mut fields = FramingFields::default();
    whole_lines(headers).for_each(|(name, value)| fields.note(name, value));
    fields
}

/// The Host field. Two of them make the request invalid (RFC 9112 section 3.2); then neither is
/// used.
fn host_field(headers: &[Header<'_>]) -> Option<String> {
    let mut hosts = whole_lines(headers).filter(|(name, _)| name.eq_ignore_ascii_case("host"));
    match (hosts.next(), hosts.next()) {
        (Some((_, host)), None) => authority(host),
        _ => None,
    }
}

/// The target as sent, of a request that httparse accepted: the second word, up to the cut.
fn raw_target(captured: &[u8]) -> &[u8] {
    let line = captured.trim_ascii_start();
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    words.nth(1).unwrap_or_default()
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::Token | httparse::Error::Status => Self::StartLine,
            httparse::Error::Version => Self::Version,
            httparse::Error::TooManyHeaders => Self::TooManyFields,
            httparse::Error::HeaderName
            | httparse::Error::HeaderValue
            | httparse::Error::NewLine => Self::Field,
        }
    }
}
