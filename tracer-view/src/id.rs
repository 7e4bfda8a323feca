//! Trace and span ids (W3C Trace Context, section 3.2.2). In: bytes from OTLP. Out: ids that are
//! valid.

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
