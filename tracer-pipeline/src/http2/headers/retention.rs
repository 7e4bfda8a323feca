//! Decides which field values a dynamic table may store. In: a field. Out: the part to store.
//!
//! All other header values are dropped with the block that carries them.

use tracer_common::trace_header::TraceHeader;

use crate::http::trace_context::TRACERESPONSE;

/// The content type of gRPC; a subtype may follow (gRPC over HTTP/2, "Requests").
const GRPC: &[u8] = b"application/grpc";

/// Longest trace header that is stored. The headers of all formats are shorter, except possibly a
/// later version of `traceparent`, an `x-amzn-trace-id` with additions, and a long `tracestate`,
/// which may be dropped. Bounds the cost of a block that consists of references only.
const TRACE_FIELD_MAX_BYTES: usize = 256;

/// Digits of the longest body that counts.
const LENGTH_MAX_DIGITS: usize = 10;

/// The part of a value that may be stored: all of method, status, length, trace context and gRPC's status,
/// the path without its query, the authority without user information, gRPC's content type. Under
/// an unknown name only a value in the form of a `traceparent`.
#[must_use]
pub fn retained_part<'v>(name: Option<&[u8]>, value: &'v [u8]) -> Option<&'v [u8]> {
    match name {
        Some(b":method" | b":status" | b"grpc-status") => Some(value),
        Some(b"content-length") => (value.len() <= LENGTH_MAX_DIGITS).then_some(value),
        Some(b":path") => value.split(|byte| b"?#".contains(byte)).next(),
        Some(b":authority" | b"host") => value.rsplit(|byte| *byte == b'@').next(),
        Some(b"content-type") if is_grpc(value) => value.get(..GRPC.len()),
        Some(name) if is_trace_header(name) => {
            (value.len() <= TRACE_FIELD_MAX_BYTES).then_some(value)
        }
        None if is_traceparent(value) => Some(value),
        _ => None,
    }
}

/// Whether a field is a trace header, of a request or of a response. Names are in lower case on HTTP/2 (RFC 9113 section 8.2).
fn is_trace_header(name: &[u8]) -> bool {
    name == TRACERESPONSE.as_bytes()
        || TraceHeader::find(name).is_some_and(|header| header.name().as_bytes() == name)
}

/// Whether a content type is gRPC's. `application/grpc-web` is another protocol.
pub(crate) fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(GRPC)
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Whether a value has the form of a version 00 `traceparent` (W3C Trace Context section 3.2.2):
/// 2, 32, 16 and 2 digits with dashes between them.
pub(crate) fn is_traceparent(value: &[u8]) -> bool {
    value.len() == 55
        && value.iter().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn check(name: Option<&str>, value: &str, expected: Option<&str>) {
        let seen = retained_part(name.map(str::as_bytes), value.as_bytes());
        assert_eq!(seen, expected.map(str::as_bytes), "{name:?}: {value}");
    }

    #[test]
    fn only_values_that_spans_need_are_stored() {
        for (name, value, expected) in [
            (":method", "POST", Some("POST")),
            (":status", "200", Some("200")),
            ("grpc-status", "13", Some("13")),
            ("content-length", "1048576", Some("1048576")),
            ("traceparent", TRACEPARENT, Some(TRACEPARENT)),
            ("traceresponse", TRACEPARENT, Some(TRACEPARENT)),
            ("b3", "0", Some("0")),
            ("uber-trace-id", "1:2:0:1", Some("1:2:0:1")),
            (":path", "/a?token=secret", Some("/a")),
            (":path", "/a#secret", Some("/a")),
            (":authority", "user:secret@shop:80", Some("shop:80")),
            ("host", "shop", Some("shop")),
            ("content-type", "application/grpc", Some("application/grpc")),
            (
                "content-type",
                "application/grpc+proto; x=secret",
                Some("application/grpc"),
            ),
            ("content-type", "application/grpc-web", None),
            ("content-type", "text/html", None),
            ("cookie", "secret", None),
            ("authorization", "secret", None),
            ("tracestate", "k=v", Some("k=v")),
            ("baggage", TRACEPARENT, None),
            ("grpc-message", "secret", None),
            (":scheme", "http", None),
        ] {
            check(Some(name), value, expected);
        }
    }

    #[test]
    fn every_trace_header_is_stored() {
        for header in TraceHeader::ALL {
            check(Some(header.name()), "value", Some("value"));
            check(Some(&header.name().to_uppercase()), "value", None);
        }
    }

    #[test]
    fn an_overlong_trace_header_is_not_stored() {
        check(Some("b3"), &" ".repeat(256), Some(&" ".repeat(256)));
        check(Some("b3"), &" ".repeat(257), None);
    }

    #[test]
    fn under_an_unknown_name_only_a_traceparent_is_stored() {
        check(None, TRACEPARENT, Some(TRACEPARENT));
        check(None, &TRACEPARENT.to_uppercase(), None);
        check(None, &TRACEPARENT[..54], None);
        check(None, &format!("{TRACEPARENT}0"), None);
        check(None, &TRACEPARENT.replace('-', "0"), None);
        check(None, "secret", None);
    }
}
