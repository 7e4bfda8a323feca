//! Trace and span ids (W3C Trace Context, section 3.2.2), and hopspan's own exchange ids. In: bytes
//! or text from OTLP. Out: ids that are valid.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// Defines an id of as many bytes as its integer has.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $integer:ty, $nonzero:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($nonzero);

        impl $name {
            /// `None` where `bytes` have another length, or are all zero.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let number = <$integer>::from_be_bytes(bytes.try_into().ok()?);
                <$nonzero>::new(number).map(Self)
            }

            /// `None` unless `text` has exactly the digits of the id, not all zero.
            pub fn from_hex(text: &str) -> Option<Self> {
                let digits = size_of::<$integer>() * 2;
                let is_hex = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
                let number = is_hex.then(|| <$integer>::from_str_radix(text, 16).ok())??;
                <$nonzero>::new(number).map(Self)
            }

            /// The bytes, as in OTLP.
            pub fn to_bytes(self) -> Vec<u8> {
                self.0.get().to_be_bytes().to_vec()
            }
        }

        /// Lower-case hexadecimal digits, with leading zeros.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = size_of::<$integer>() * 2;
                write!(f, "{:0digits$x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// A trace id: 16 bytes, not all zero (section 3.2.2.3).
    TraceId,
    u128,
    NonZeroU128
);
id!(
    /// A span id: 8 bytes, not all zero (section 3.2.2.4).
    SpanId,
    u64,
    NonZeroU64
);
id!(
    /// The id that the spans of one exchange share, `hopspan.exchange.id`: 8 bytes, not all zero.
    ExchangeId,
    u64,
    NonZeroU64
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_id_is_sixteen_hexadecimal_digits() {
        let check = |text: &str, expected: Option<&str>| {
            let id = ExchangeId::from_hex(text).map(|id| id.to_string());
            assert_eq!(id.as_deref(), expected, "{text:?}");
        };
        check("00000000000000ff", Some("00000000000000ff"));
        check("ABCDEF0123456789", Some("abcdef0123456789"));
        for refused in [
            "",
            "0",
            "0000000000000000",
            "+0000000000000ff",
            "00000000000000fg",
        ] {
            check(refused, None);
        }
        check("00000000000000ff0", None);
        check("0000000000000\u{00e4}f", None);
    }
}
