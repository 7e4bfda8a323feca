//! Where the next request of a connection begins.
//!
//! In: where a head ends, and the body that it announces; then what the client sends, byte for byte
//! where the body has chunks. Out: the position of the next head. Before it everything is body,
//! whatever it looks like.

/// The body that a head announces (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes, 0 if there is none.
    Length(u64),
    /// Chunks, up to one of length zero and a trailer section (RFC 9112 section 7.1).
    Chunked,
    /// Its end is not known.
    Unknown,
}

/// What comes at a position. A number, because the kernel programs keep it in map memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part(u32);

impl Part {
    /// Not known.
    pub const UNKNOWN: Self = Self(0);
    /// The next head, after the bytes that are left.
    pub const HEAD: Self = Self(1);
    /// The first digit of a chunk's size.
    const SIZE: Self = Self(2);
    /// The other digits.
    const MORE_SIZE: Self = Self(3);
    /// The rest of the line of a chunk's size.
    const EXTENSION: Self = Self(4);
    /// The end of the line behind a chunk's data, after the bytes that are left.
    const DATA_END: Self = Self(5);
    /// A line of the trailer section, or the empty one behind it.
    const TRAILER: Self = Self(6);
    /// The rest of such a line.
    const TRAILER_REST: Self = Self(7);
    /// The line feed of the empty line.
    const LAST: Self = Self(8);

    /// From [`Part::number`].
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// As an integer.
    #[inline(always)]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether it is the same part.
    #[inline(always)]
    pub const fn is(self, other: Self) -> bool {
        self.0 == other.0
    }
}

/// A position in what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// What comes there.
    pub part: Part,
    /// Bytes before that part; while a chunk's size is read, the size so far.
    pub left: u64,
}

impl Boundary {
    /// After a head.
    #[inline(always)]
    pub const fn after_head(body: Body) -> Self {
        match body {
            Body::Length(left) => Self {
                part: Part::HEAD,
                left,
            },
            Body::Chunked => Self::at(Part::SIZE),
            Body::Unknown => Self::at(Part::UNKNOWN),
        }
    }

    #[inline(always)]
    const fn at(part: Part) -> Self {
        Self { part, left: 0 }
    }

    /// How many of the next `bytes` are skipped without being read.
    #[inline(always)]
    pub const fn skips(self, bytes: u32) -> u32 {
        if !self.part.is(Part::HEAD) && !self.part.is(Part::DATA_END) {
            0
        } else if self.left > bytes as u64 {
            bytes
        } else {
            self.left as u32
        }
    }

    /// Whether the next head begins here, or an empty line before it.
    #[inline(always)]
    pub const fn is_at_head(self) -> bool {
        self.part.is(Part::HEAD) && self.left == 0
    }

    /// Whether the next head begins with `byte`. Servers ignore empty lines before a request (RFC
    /// 9112 section 2.2).
    #[inline(always)]
    pub const fn begins_with(self, byte: u8) -> bool {
        self.is_at_head() && byte != b'\r' && byte != b'\n'
    }

    /// The next step, where `here` bytes are left of the packet: how many of them it passes, and what
    /// comes behind them. A step skips bytes, or reads one with `byte`.
    ///
    /// `None` where the next head begins, where it is not known what comes, and where `byte` reads
    /// none.
    #[inline(always)]
    pub fn step(self, here: u32, byte: impl FnOnce() -> Option<u8>) -> Option<(u32, Self)> {
        if self.part.is(Part::UNKNOWN) {
            return None;
        }
        let skipped = self.skips(here);
        if skipped != 0 {
            let left = self.left - skipped as u64;
            return Some((skipped, Self { left, ..self }));
        }
        let byte = byte()?;
        if self.begins_with(byte) {
            return None;
        }
        Some((1, self.after(byte)))
    }

    /// After the next byte, which is read: neither skipped nor the first of a head.
    #[inline(always)]
    pub const fn after(self, byte: u8) -> Self {
        match (self.part, byte) {
            (Part::SIZE | Part::MORE_SIZE, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
                if self.left >> 56 == 0 =>
            {
                let digit = if byte <= b'9' {
                    byte - b'0'
                } else {
                    (byte | 0x20) - b'a' + 10
                };
                Self {
                    part: Part::MORE_SIZE,
                    left: self.left << 4 | digit as u64,
                }
            }
            (Part::MORE_SIZE | Part::EXTENSION, b'\n') if self.left == 0 => Self::at(Part::TRAILER),
            (Part::MORE_SIZE | Part::EXTENSION, b'\n') => Self {
                part: Part::DATA_END,
                left: self.left,
            },
            (Part::MORE_SIZE, b'\r' | b';' | b' ' | b'\t') | (Part::EXTENSION, _) => Self {
                part: Part::EXTENSION,
                left: self.left,
            },
            (Part::HEAD, b'\r' | b'\n') | (Part::DATA_END, b'\r') => self,
            (Part::DATA_END, b'\n') => Self::at(Part::SIZE),
            (Part::TRAILER, b'\r') => Self::at(Part::LAST),
            (Part::TRAILER | Part::LAST, b'\n') => Self::at(Part::HEAD),
            (Part::TRAILER_REST, b'\n') => Self::at(Part::TRAILER),
            (Part::TRAILER | Part::TRAILER_REST, _) => Self::at(Part::TRAILER_REST),
            _ => Self::at(Part::UNKNOWN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the next head begins in `bytes`, if that is found.
    fn next_head(body: Body, bytes: &[u8]) -> Option<usize> {
        let mut boundary = Boundary::after_head(body);
        let mut at = 0;
        while let Some((passed, next)) = boundary
            .step(u32::try_from(bytes.len() - at).unwrap(), || {
                bytes.get(at).copied()
            })
        {
            at += passed as usize;
            boundary = next;
        }
        boundary
            .is_at_head()
            .then_some(at)
            .filter(|at| *at < bytes.len())
    }

    #[test]
    fn a_step_skips_or_reads_one_byte() {
        let unread = || -> Option<u8> { panic!("a byte is read") };
        let body = Boundary::after_head(Body::Length(5));
        let (passed, body) = body.step(3, unread).unwrap();
        assert_eq!((passed, body.left), (3, 2));
        let (passed, head) = body.step(9, unread).unwrap();
        assert_eq!((passed, head.is_at_head()), (2, true));
        assert_eq!(head.step(7, || Some(b'G')), None);
        assert_eq!(head.step(7, || Some(b'\r')), Some((1, head)));
        assert_eq!(head.step(7, || None), None);
        let size = Boundary::after_head(Body::Chunked);
        let (passed, more) = size.step(9, || Some(b'a')).unwrap();
        assert_eq!((passed, more.left), (1, 10));
        let (passed, unknown) = size.step(9, || Some(b'x')).unwrap();
        assert_eq!((passed, unknown.part), (1, Part::UNKNOWN));
        assert_eq!(unknown.step(8, unread), None);
    }

    #[test]
    fn a_body_of_known_length() {
        assert_eq!(next_head(Body::Length(0), b"GET /"), Some(0));
        assert_eq!(next_head(Body::Length(5), b"GET /GET /"), Some(5));
        assert_eq!(next_head(Body::Length(5), b"GET"), None);
        assert_eq!(next_head(Body::Length(5), b"GET /\r\n\nGET /"), Some(8));
        assert_eq!(next_head(Body::Unknown, b"GET /"), None);
    }

    #[test]
    fn a_body_of_chunks() {
        for (bytes, expected) in [
            ("0\r\n\r\nGET /", Some(5)),
            ("0\n\nGET /", Some(3)),
            ("5\r\nGET /\r\n0\r\n\r\nGET /", Some(15)),
            ("a;name=\"value\"\r\nGET / HTTP\r\n0\r\n\r\nG", Some(33)),
            ("A \r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\nG", Some(21)),
            ("0\r\nTrailer: value\r\nOther: b\r\n\r\nG", Some(31)),
            ("0\r\nGET / HTTP/1.1\r\n\r\nP", Some(21)),
            ("0\r\n\r", None),
            ("5\r\nGET", None),
            ("\r\n", None),
            ("x\r\n", None),
            ("1\r\nab", None),
            ("fffffffffffffffff\r\n", None),
        ] {
            let found = next_head(Body::Chunked, bytes.as_bytes());
            assert_eq!(found, expected, "{bytes:?}");
        }
    }
}
