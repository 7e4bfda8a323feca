//! Recognises the first bytes of a request or a response.

use crate::message::Message;

/// Bytes that are looked at.
pub const START_BYTES: u32 = 16;

const CONNECT: &[u8] = b"CONNECT ";

/// The first bytes of a message, as big-endian numbers; bytes that are not there are zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Start {
    word: u64,
    next: u64,
    length: u32,
    padding: u32,
}

impl Start {
    /// No bytes.
    pub const EMPTY: Self = Self {
        word: 0,
        next: 0,
        length: 0,
        padding: 0,
    };

    /// `bytes`: the first ones in memory order. `length`: how many of them are there.
    #[inline(always)]
    pub const fn new(bytes: [u64; 2], length: u32) -> Self {
        Self {
            word: u64::from_be(bytes[0]),
            next: u64::from_be(bytes[1]),
            length,
            padding: 0,
        }
    }

    /// The message that begins so, where nothing else is known of the connection: the methods of
    /// RFC 9110 section 9 and PATCH (RFC 5789), or the first letters of one; another method before
    /// a path; or the status line (RFC 9112 section 4).
    #[inline(always)]
    pub const fn message(self) -> Option<Message> {
        if self.is_status_line() {
            Some(Message::Response)
        } else if self.is_known_method() || self.is_other_method() {
            Some(Message::Request)
        } else {
            None
        }
    }

    /// Whether it is the beginning of a status line.
    #[inline(always)]
    pub const fn is_status_line(self) -> bool {
        self.length >= 7 && self.starts_with(b"HTTP/1.")
    }

    /// Whether a request may begin so, where it is known that one begins: with a character of a
    /// method (RFC 9110 section 5.6.2).
    #[inline(always)]
    pub const fn may_be_request(self) -> bool {
        let first = self.first();
        self.length > 0
            && (first.is_ascii_alphanumeric()
                || matches!(
                    first,
                    b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
                ))
    }

    /// Whether a request opens a tunnel: what follows it on the connection is not HTTP of this
    /// client.
    #[inline(always)]
    pub const fn is_connect(self) -> bool {
        self.starts_with(CONNECT)
    }

    /// Whether it is HTTP/2's preface (RFC 9113 section 3.4).
    #[inline(always)]
    pub const fn is_http2_preface(self) -> bool {
        self.starts_with(b"PRI * HT")
    }

    /// Whether the status of a response is `101 Switching Protocols`, which follows `HTTP/1.1 `.
    #[inline(always)]
    pub const fn is_switching_protocols(self) -> bool {
        self.next << 8 >> 40 == 0x31_30_31 && self.has_status()
    }

    /// Whether the status of a response is there.
    #[inline(always)]
    pub const fn has_status(self) -> bool {
        self.length > 12
    }

    /// Whether a response is known to be the last one to its request: its status is there, and is
    /// not 1xx (RFC 9110 section 15.2). 101 is the last one.
    #[inline(always)]
    pub const fn is_final(self) -> bool {
        let first_digit = (self.next << 8 >> 56) as u8;
        self.has_status() && (first_digit != b'1' || self.is_switching_protocols())
    }

    /// Whether a request is HEAD, whose response has no body (RFC 9110 section 9.3.2).
    #[inline(always)]
    pub const fn is_head(self) -> bool {
        self.starts_with(b"HEAD ")
    }

    /// Whether a final response may have a body: its status is neither 204 nor 304 (RFC 9112 section
    /// 6.3).
    #[inline(always)]
    pub const fn may_have_body(self) -> bool {
        let status = self.next << 8 >> 40;
        self.is_final() && status != 0x32_30_34 && status != 0x33_30_34
    }

    #[inline(always)]
    const fn first(self) -> u8 {
        (self.word >> 56) as u8
    }

    #[inline(always)]
    const fn is_known_method(self) -> bool {
        self.begins(b"GET ")
            || self.begins(b"POST ")
            || self.begins(b"PUT ")
            || self.begins(b"HEAD ")
            || self.begins(b"DELETE ")
            || self.begins(b"PATCH ")
            || self.begins(b"OPTIONS ")
            || self.begins(CONNECT)
            || self.begins(b"TRACE ")
    }

    /// A word of capital letters and hyphens, then a path, `*` or the `h` of a URL; or such letters
    /// only.
    #[inline(always)]
    const fn is_other_method(self) -> bool {
        let is_word = self.first().is_ascii_uppercase() && !self.is_http2_preface();
        if self.length < START_BYTES || !is_word {
            return false;
        }
        let mut index = 1;
        while index < START_BYTES {
            let byte = self.byte(index);
            if byte == b' ' {
                return index + 1 == START_BYTES
                    || matches!(self.byte(index + 1), b'/' | b'*' | b'h');
            }
            if !(byte.is_ascii_uppercase() || byte == b'-') {
                return false;
            }
            index += 1;
        }
        true
    }

    #[inline(always)]
    const fn byte(self, index: u32) -> u8 {
        let word = if index < 8 { self.word } else { self.next };
        (word >> (56 - 8 * (index % 8))) as u8
    }

    /// Whether it starts with `word`, or is the start of it.
    #[inline(always)]
    const fn begins(self, word: &[u8]) -> bool {
        let length = if self.length < word.len() as u32 {
            self.length
        } else {
            word.len() as u32
        };
        length > 0 && (self.word ^ big_endian(word)) >> (64 - 8 * length) == 0
    }

    #[inline(always)]
    const fn starts_with(self, word: &[u8]) -> bool {
        (self.word ^ big_endian(word)) >> (64 - 8 * word.len()) == 0
    }
}

/// At most eight bytes, the others zero.
#[inline(always)]
const fn big_endian(word: &[u8]) -> u64 {
    let mut number = 0;
    let mut index = 0;
    while index < 8 {
        number <<= 8;
        if index < word.len() {
            number |= word[index] as u64;
        }
        index += 1;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> Start {
        let mut bytes = [0; 16];
        let length = text.len().min(16);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        Start::new([word(0), word(8)], u32::try_from(length).unwrap())
    }

    #[test]
    fn messages() {
        for (text, expected) in [
            ("GET / HTTP/1.1\r\n", Some(Message::Request)),
            ("OPTIONS * HTTP/1.1\r\n", Some(Message::Request)),
            ("CONNECT a:443 HTTP/1.1\r\n", Some(Message::Request)),
            ("PROPFIND / HTTP/1.1\r\n", Some(Message::Request)),
            ("PURGE /a HTTP/1.1\r\n", Some(Message::Request)),
            ("M-SEARCH * HTTP/1.1\r\n", Some(Message::Request)),
            ("QUERY http://a/b HTTP/1.1\r\n", Some(Message::Request)),
            ("VERSION-CONTROL /a HTTP/1.1\r\n", Some(Message::Request)),
            ("BASELINE-CONTROL /a HTTP/1.1\r\n", Some(Message::Request)),
            ("G", Some(Message::Request)),
            ("POST", Some(Message::Request)),
            ("DELETE /", Some(Message::Request)),
            ("HTTP/1.1 200 OK", Some(Message::Response)),
            ("HTTP/1.", Some(Message::Response)),
            ("HTTP/", None),
            ("HTTP/2.0 200 OK\r\n", None),
            ("PRI * HTTP/2.0\r\n\r\n", None),
            ("", None),
            ("GIT clone", None),
            ("EHLO mail.example.com\r\n", None),
            ("MAIL FROM:<a@example.com>", None),
            ("get / HTTP/1.1\r\n", None),
            ("PING\r\n", None),
            ("\x16\x03\x01\x02", None),
        ] {
            assert_eq!(start(text).message(), expected, "{text:?}");
        }
    }

    #[test]
    fn where_a_request_begins_any_method_is_one() {
        for (text, expected) in [
            ("g", true),
            ("my-method /", true),
            ("`a~ /", true),
            ("", false),
            ("\r\nGET /", false),
            (" GET /", false),
            ("{\"a\": 1}", false),
            ("(", false),
        ] {
            assert_eq!(start(text).may_be_request(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_status_of_a_response() {
        for (text, is_final, switches) in [
            ("HTTP/1.1 200 OK\r\n", true, false),
            ("HTTP/1.1 101 Sw", true, true),
            ("HTTP/1.1 100 Co", false, false),
            ("HTTP/1.1 103 Ea", false, false),
            ("HTTP/1.1 200", false, false),
            ("HTTP/1.1 ", false, false),
        ] {
            assert_eq!(start(text).is_final(), is_final, "{text:?}");
            assert_eq!(start(text).is_switching_protocols(), switches, "{text:?}");
        }
    }
}
