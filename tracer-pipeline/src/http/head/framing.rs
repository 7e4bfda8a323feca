//! Where a message's body ends (RFC 9112 section 6). In: header fields one by one. Out:
//! [`BodyFraming`] and connection options.

use super::Version;
use super::method::Method;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body: the next message follows the head.
    None,
    /// Exactly so many bytes follow the head.
    Length(u64),
    /// Chunks follow, up to one of length zero and a trailer section (RFC 9112 section 7.1).
    Chunked,
    /// Everything up to the close of the connection. Of a request only when its framing is invalid:
    /// a server must then respond with 400 and close, so no later byte starts a message.
    UntilClose,
    /// The head is cut, so the field that decides may be missing.
    Unknown,
}

/// The fields of one head that decide about its body and connection. Stores no values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FramingFields {
    length: ContentLength,
    coding: TransferCoding,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    upgrade_h2c: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ContentLength {
    #[default]
    Absent,
    Valid(u64),
    Invalid,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TransferCoding {
    #[default]
    Absent,
    ChunkedLast,
    OtherLast,
}

impl FramingFields {
    /// Takes the next field; ignores all but Content-Length, Transfer-Encoding, Connection and
    /// Upgrade.
    pub(super) fn note(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("content-length") {
            self.note_length(value);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.note_coding(value);
        } else if name.eq_ignore_ascii_case("connection") {
            for option in elements(value) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
            }
        } else if name.eq_ignore_ascii_case("upgrade") {
            self.upgrade_field = true;
            self.upgrade_h2c |= elements(value).any(|protocol| protocol == b"h2c");
        }
    }

    /// A repeated length is valid if all values are equal (RFC 9110 section 8.6).
    fn note_length(&mut self, value: &[u8]) {
        for element in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.length = match (self.length, decimal(element)) {
                (ContentLength::Absent, Some(length)) => ContentLength::Valid(length),
                (ContentLength::Valid(known), Some(length)) if known == length => self.length,
                _ => ContentLength::Invalid,
            };
        }
    }

    /// Only the last coding frames the message (RFC 9112 section 6.1), and the last line of several
    /// ends the list.
    fn note_coding(&mut self, value: &[u8]) {
        let last = elements(value)
            .last()
            .and_then(|coding| coding.split(|b| *b == b';').next());
        self.coding = match last {
            Some(name) if name.trim_ascii_end().eq_ignore_ascii_case(b"chunked") => {
                TransferCoding::ChunkedLast
            }
            _ => TransferCoding::OtherLast,
        };
    }

    /// The framing by the fields; `without` is the framing without any of them.
    fn framing(&self, version: Version, without: BodyFraming) -> BodyFraming {
        match (self.coding, self.length) {
            // A transfer coding overrides a length. HTTP/1.0 has no transfer codings: invalid
            // there.
            (TransferCoding::ChunkedLast, _) if version == Version::Http11 => BodyFraming::Chunked,
            (TransferCoding::Absent, ContentLength::Valid(length)) => BodyFraming::Length(length),
            (TransferCoding::Absent, ContentLength::Absent) => without,
            _ => BodyFraming::UntilClose,
        }
    }

    /// RFC 9112 section 6.3 for a complete request head.
    pub(super) fn request_body(&self, version: Version) -> BodyFraming {
        self.framing(version, BodyFraming::None)
    }

    /// RFC 9112 section 6.3 for a complete response head, when its status and request allow a body.
    pub(super) fn response_body(&self, version: Version) -> BodyFraming {
        self.framing(version, BodyFraming::UntilClose)
    }

    /// Whether the connection ends after this exchange (RFC 9112 section 9.3), by the fields so
    /// far.
    pub(super) fn connection_close(&self, version: Option<Version>) -> bool {
        self.close || (version == Some(Version::Http10) && !self.keep_alive)
    }

    /// Whether the head proposes or accepts another protocol (RFC 9110 section 7.8: Upgrade counts
    /// only with its connection option).
    pub(super) fn upgrade(&self) -> bool {
        self.upgrade_option && self.upgrade_field
    }

    /// Whether HTTP/2 is among the proposed protocols, or is the accepted one.
    pub(super) fn upgrade_h2c(&self) -> bool {
        self.upgrade() && self.upgrade_h2c
    }
}

/// Whether this response can have a body at all: RFC 9112 section 6.3, items 1 and 2.
pub(super) fn response_may_have_body(request_method: &Method, status: u16) -> bool {
    let head_only = *request_method == Method::Head || matches!(status, 100..=199 | 204 | 304);
    !head_only && !opens_tunnel(request_method, status)
}

/// Whether the connection is a tunnel after this response (RFC 9110 section 9.3.6).
pub(super) fn opens_tunnel(request_method: &Method, status: u16) -> bool {
    *request_method == Method::Connect && matches!(status, 200..=299)
}

/// The elements of a list (RFC 9110 section 5.6.1), empty ones left out.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Accepts digits only: no sign, no blank, no overflow.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(headers: &str) -> FramingFields {
        let mut fields = FramingFields::default();
        for line in headers.lines() {
            let (name, value) = line.split_once(": ").expect("a header has a colon");
            fields.note(name, value.as_bytes());
        }
        fields
    }

    fn check(headers: &str, request: BodyFraming, response: BodyFraming) {
        let seen = fields(headers);
        assert_eq!(seen.request_body(Version::Http11), request, "{headers:?}");
        assert_eq!(seen.response_body(Version::Http11), response, "{headers:?}");
    }

    #[test]
    fn lengths() {
        use BodyFraming::{Length, None, UntilClose};
        check("", None, UntilClose);
        check("Content-Length: 0", Length(0), Length(0));
        check("content-length: 66", Length(66), Length(66));
        check(
            "Content-Length: 18446744073709551615",
            Length(u64::MAX),
            Length(u64::MAX),
        );
        check("Content-Length: 5, 5", Length(5), Length(5));
        check(
            "Content-Length: 5\nContent-Length: 05",
            Length(5),
            Length(5),
        );
        for invalid in [
            "18446744073709551616",
            "+5",
            "-1",
            "5 5",
            "0x5",
            "",
            "5,",
            "5, 6",
            "5;q",
        ] {
            check(
                &format!("Content-Length: {invalid}"),
                UntilClose,
                UntilClose,
            );
        }
        check(
            "Content-Length: 5\nContent-Length: 6\nContent-Length: 5",
            UntilClose,
            UntilClose,
        );
    }

    #[test]
    fn codings() {
        use BodyFraming::{Chunked, UntilClose};
        check("Transfer-Encoding: chunked", Chunked, Chunked);
        check("Transfer-Encoding: gzip, Chunked", Chunked, Chunked);
        check("Transfer-Encoding: chunked ;a=b,", Chunked, Chunked);
        check(
            "Transfer-Encoding: gzip\nTransfer-Encoding: chunked",
            Chunked,
            Chunked,
        );
        check(
            "Content-Length: 5\nTransfer-Encoding: chunked",
            Chunked,
            Chunked,
        );
        check(
            "Content-Length: x\nTransfer-Encoding: chunked",
            Chunked,
            Chunked,
        );
        for other in ["gzip", "chunked, gzip", "xchunked", "identity", ""] {
            check(
                &format!("Transfer-Encoding: {other}"),
                UntilClose,
                UntilClose,
            );
        }
        check(
            "Transfer-Encoding: gzip\nContent-Length: 5",
            UntilClose,
            UntilClose,
        );
        let old = fields("Transfer-Encoding: chunked\nContent-Length: 5");
        assert_eq!(old.request_body(Version::Http10), UntilClose);
        assert_eq!(old.response_body(Version::Http10), UntilClose);
    }

    #[test]
    fn connections() {
        let check = |headers: &str, http10_closes: bool, http11_closes: bool| {
            let seen = fields(headers);
            assert_eq!(
                seen.connection_close(Some(Version::Http10)),
                http10_closes,
                "{headers:?}"
            );
            assert_eq!(
                seen.connection_close(Some(Version::Http11)),
                http11_closes,
                "{headers:?}"
            );
        };
        check("", true, false);
        check("Connection: Close", true, true);
        check("Connection: keep-alive", false, false);
        check("Connection: Keep-Alive, Upgrade, close", true, true);
        check("Connection: closed", true, false);
        assert!(fields("Connection: keep-alive, Upgrade\nUpgrade: websocket").upgrade());
        assert!(!fields("Upgrade: h2c").upgrade());
        assert!(fields("Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c").upgrade_h2c());
        assert!(!fields("Connection: Upgrade\nUpgrade: websocket").upgrade_h2c());
        assert!(!fields("Upgrade: h2c").upgrade_h2c());
        assert!(!fields("Connection: upgrade").upgrade());
    }

    #[test]
    fn responses_without_a_body() {
        let check = |method: &str, status: u16, body: bool, tunnel: bool| {
            let method = Method::from_token(method);
            assert_eq!(
                response_may_have_body(&method, status),
                body,
                "{method} {status}"
            );
            assert_eq!(opens_tunnel(&method, status), tunnel, "{method} {status}");
        };
        for status in [100, 101, 103, 199, 204, 304] {
            check("GET", status, false, false);
        }
        for status in [0, 200, 205, 301, 404, 500, 999] {
            check("GET", status, true, false);
            check("HEAD", status, false, false);
        }
        check("CONNECT", 200, false, true);
        check("CONNECT", 407, true, false);
    }
}
