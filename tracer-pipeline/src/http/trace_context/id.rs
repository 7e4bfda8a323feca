//! Trace and span ids. In: hexadecimal digits. Out: [`TraceId`], [`SpanId`], never all zero, and
//! their text. Independent of the headers.

use std::fmt;

/// The trace that a span belongs to. Never all zero when it comes from [`extract`](super::extract).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// One span in a trace. Never all zero when it comes from [`extract`](super::extract).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// All zero is invalid in every format.
    pub(super) fn valid(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }
}

impl SpanId {
    /// All zero is invalid in every format.
    pub(super) fn valid(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }
}

/// The letters that a format allows as digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    /// `a` to `f`.
    Lower,
    /// `a` to `f` and `A` to `F`.
    AnyCase,
}

/// Exactly `2 * N` digits, lower case.
pub(super) fn exact<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() == 2 * N {
        padded(digits, Letters::Lower)
    } else {
        None
    }
}

/// One to `2 * N` digits; missing digits are zeros on the left.
pub(super) fn padded<const N: usize>(digits: &[u8], letters: Letters) -> Option<[u8; N]> {
    if digits.is_empty() || digits.len() > 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().rev().zip(digits.rchunks(2)) {
        for digit in pair {
            *byte = *byte << 4 | nibble(*digit, letters)?;
        }
    }
    Some(bytes)
}

fn nibble(digit: u8, letters: Letters) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' if letters == Letters::AnyCase => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_are_padded_on_the_left() {
        let lower = |digits: &[u8]| padded::<2>(digits, Letters::Lower);
        assert_eq!(lower(b"a"), Some([0x00, 0x0a]));
        assert_eq!(lower(b"ab"), Some([0x00, 0xab]));
        assert_eq!(lower(b"1ab"), Some([0x01, 0xab]));
        assert_eq!(lower(b"c1ab"), Some([0xc1, 0xab]));
        assert_eq!(lower(b"0c1ab"), None, "too long, though its value fits");
        assert_eq!(lower(b""), None);
        assert_eq!(lower(b"aB"), None);
        assert_eq!(padded::<2>(b"aB", Letters::AnyCase), Some([0x00, 0xab]));
        assert_eq!(exact::<2>(b"1ab"), None);
        assert_eq!(exact::<2>(b"c1ab"), Some([0xc1, 0xab]));
    }

    #[test]
    fn exactly_the_hexadecimal_digits_are_digits() {
        for byte in 0..=u8::MAX {
            let value = char::from(byte).to_digit(16).map(|digit| [digit as u8]);
            assert_eq!(padded::<1>(&[byte], Letters::AnyCase), value, "{byte:#x}");
            let lower = value.filter(|_| !byte.is_ascii_uppercase());
            assert_eq!(padded::<1>(&[byte], Letters::Lower), lower, "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn ids_survive_formatting_and_parsing(trace: [u8; 16], span: [u8; 8]) {
            prop_assert_eq!(exact(TraceId(trace).to_string().as_bytes()), Some(trace));
            prop_assert_eq!(exact(format!("{:?}", SpanId(span)).as_bytes()), Some(span));
        }

        #[test]
        fn digits_have_the_same_value_as_in_the_standard_library(digits in "[0-9a-fA-F]{1,16}") {
            let value = u64::from_str_radix(&digits, 16).expect("hexadecimal").to_be_bytes();
            prop_assert_eq!(padded::<8>(digits.as_bytes(), Letters::AnyCase), Some(value));
        }

        #[test]
        fn no_bytes_make_it_panic(digits: Vec<u8>) {
            let _ = padded::<8>(&digits, Letters::AnyCase);
            let _ = exact::<16>(&digits);
        }
    }
}
