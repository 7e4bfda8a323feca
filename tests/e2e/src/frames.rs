//! HTTP/2 as bytes (RFC 9113), for dialogues in which a test determines every byte.
//!
//! Header blocks are literals without indexing and without Huffman (RFC 7541 section 6.2.2), so
//! that frames do not depend on each other. The test decides what is sent in which order.

use crate::Parent;

/// What a client sends first (section 3.4), with empty SETTINGS.
pub fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings()].concat()
}

/// SETTINGS that change nothing.
pub fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[])
}

/// HEADERS with a whole block; the flag END_STREAM where nothing follows.
pub fn headers(stream: u32, fields: &[(&str, &str)], end_stream: bool) -> Vec<u8> {
    const END_HEADERS: u8 = 4;
    let flags = END_HEADERS | u8::from(end_stream);
    frame(1, flags, stream, &block(fields))
}

/// A header block.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| {
            let literal: [&[u8]; 5] = [
                &[0],
                &length(name),
                name.as_bytes(),
                &length(value),
                value.as_bytes(),
            ];
            literal.concat()
        })
        .collect()
}

/// A GET request without a body.
pub fn get(stream: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "server"),
    ];
    headers(stream, &[&pseudo, more].concat(), true)
}

/// A GET request with the trace context of `parent`, without a body.
pub fn get_traced(stream: u32, path: &str, parent: &Parent) -> Vec<u8> {
    get(stream, path, &[("traceparent", &parent.traceparent())])
}

/// A POST request with the trace context of `parent`, whose body follows.
pub fn post_traced(stream: u32, path: &str, parent: &Parent) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "server"),
        ("traceparent", &parent.traceparent()),
    ];
    headers(stream, &fields, false)
}

/// A response without a body.
pub fn response(stream: u32, status: &str) -> Vec<u8> {
    headers(stream, &[(":status", status)], true)
}

/// DATA.
pub fn data(stream: u32, bytes: &[u8], end_stream: bool) -> Vec<u8> {
    frame(0, u8::from(end_stream), stream, bytes)
}

/// RST_STREAM with an error code (section 7).
pub fn rst_stream(stream: u32, code: u32) -> Vec<u8> {
    frame(3, 0, stream, &code.to_be_bytes())
}

/// A frame of a type that is not registered (section 5.5), for no stream.
pub fn unregistered() -> Vec<u8> {
    frame(0x2a, 0xff, 0, b"ignored")
}

/// Any frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let head: [&[u8]; 4] = [&length, &[kind], &[flags], &stream.to_be_bytes()];
    [&head.concat(), payload].concat()
}

/// The length of a string literal (RFC 7541 section 5.1, a prefix of 7 bits).
fn length(text: &str) -> Vec<u8> {
    let mut rest = text.len();
    if let Some(length) = u8::try_from(rest).ok().filter(|length| *length < 127) {
        return vec![length];
    }
    rest -= 127;
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap_or(0) | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap_or(0));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7541 section C.1, with the prefix of a string's length.
    #[test]
    fn lengths_are_prefixed_integers() {
        assert_eq!(length("abc"), [3]);
        assert_eq!(length(&"a".repeat(127)), [127, 0]);
        assert_eq!(length(&"a".repeat(1337)), [127, 186, 9]);
    }

    #[test]
    fn a_frame_begins_with_its_length_and_stream() {
        assert_eq!(
            data(3, b"body", true),
            [0, 0, 4, 0, 1, 0, 0, 0, 3, b'b', b'o', b'd', b'y']
        );
        assert_eq!(
            response(1, "200"),
            b"\x00\x00\x0d\x01\x05\x00\x00\x00\x01\x00\x07:status\x03200"
        );
    }
}
