//! Prepares a capture for httparse. In: captured bytes. Out: the same bytes, or a copy of the same
//! length in which lengths and positions stay valid.

use std::borrow::Cow;

/// Replaces two things that servers accept and httparse refuses:
///
/// - A target that is not UTF-8. Its bytes beyond ASCII become `?`; the target itself is read from
///   the capture.
/// - A field folded over several lines. The line break becomes spaces, as RFC 9112 section 5.2
///   requires of a server.
pub(super) fn readable(captured: &[u8]) -> Cow<'_, [u8]> {
    let mut bytes = Cow::Borrowed(captured);
    let start = captured
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    let start_line = start..line_end(captured, start);
    if !captured[start_line.clone()].is_ascii() {
        for byte in bytes.to_mut()[start_line.clone()]
            .iter_mut()
            .filter(|byte| !byte.is_ascii())
        {
            *byte = b'?';
        }
    }
    for line_feed in folds(captured, start_line.end + 1) {
        let bytes = bytes.to_mut();
        bytes[line_feed] = b' ';
        if bytes[line_feed - 1] == b'\r' {
            bytes[line_feed - 1] = b' ';
        }
    }
    bytes
}

/// Positions of the line feeds that do not end a field, because the next line starts with white
/// space. Starts with the line of the first field, since the start line cannot be folded; stops at
/// the blank line.
fn folds(captured: &[u8], first_field: usize) -> impl Iterator<Item = usize> {
    let mut line_start = first_field;
    std::iter::from_fn(move || {
        loop {
            let end = line_end(captured, line_start);
            let next = captured.get(end + 1)?;
            if matches!(captured.get(line_start..end)?, b"" | b"\r") {
                return None;
            }
            line_start = end + 1;
            if matches!(next, b' ' | b'\t') {
                return Some(end);
            }
        }
    })
}

/// Position of the line feed that ends the line at `start`, or the end of the capture.
fn line_end(captured: &[u8], start: usize) -> usize {
    let line = captured.get(start..).unwrap_or_default();
    line.iter()
        .position(|byte| *byte == b'\n')
        .map_or(captured.len(), |at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(captured: &str, expected: &str) {
        let bytes = readable(captured.as_bytes());
        assert_eq!(
            bytes.escape_ascii().to_string(),
            expected.as_bytes().escape_ascii().to_string()
        );
        assert_eq!(bytes.len(), captured.len());
        assert_eq!(
            matches!(bytes, Cow::Borrowed(_)),
            captured == expected,
            "copies only if something changes"
        );
    }

    #[test]
    fn readable_heads_are_not_copied() {
        for head in [
            "",
            "\r\n",
            "GET",
            "GET / HTTP/1.1\r\nA: b\r\n\r\n",
            "GET / HTTP/1.1\nA: b\n\n c\n d",
        ] {
            check(head, head);
        }
    }

    #[test]
    fn a_target_is_masked_and_a_value_is_not() {
        check(
            "\r\nGET /\u{e9}\u{e9} HTTP/1.1\r\nA: \u{e9}\r\n\r\n",
            "\r\nGET /???? HTTP/1.1\r\nA: \u{e9}\r\n\r\n",
        );
        check("GET /\u{e9}", "GET /??");
    }

    #[test]
    fn folded_lines_are_joined() {
        check(
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\td\r\nE: f\r\n\r\n x\r\n y",
            "GET / HTTP/1.1\r\nA: b   c  \td\r\nE: f\r\n\r\n x\r\n y",
        );
        check("GET / HTTP/1.1\nA:\n b\n\n", "GET / HTTP/1.1\nA:  b\n\n");
        check(
            "GET / HTTP/1.1\r\n A: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\n A: b   c\r\n\r\n",
        );
        check(
            "GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n",
            "GET / HTTP/1.1\r\nA: b   \r\n\r\n",
        );
        check("GET / HTTP/1.1\r\nA: b\r\n", "GET / HTTP/1.1\r\nA: b\r\n");
    }
}
