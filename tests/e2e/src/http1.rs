//! HTTP/1.1 as bytes, for dialogues in which a test determines every byte.

use crate::Parent;

/// A response with a body, `ok`.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The blank line after a head.
pub const HEAD_END: &str = "\r\n\r\n";

/// The head of a request with these header lines, each of which ends with CR LF.
pub fn request(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: server\r\n{lines}\r\n")
}

/// The head of a GET request with the trace context of `parent`.
pub fn get_traced(path: &str, parent: &Parent) -> String {
    request("GET", path, &traceparent(parent))
}

/// The header line with the trace context of `parent`.
pub fn traceparent(parent: &Parent) -> String {
    format!("traceparent: {}\r\n", parent.traceparent())
}
