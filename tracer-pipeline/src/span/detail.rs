//! Whether the hops of an exchange have spans (`--detail`).

use std::{fmt, str::FromStr};

/// Which exchanges have spans for their hops. Where hops have none they are one attribute of their
/// path, so no hop, failure or decision is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// No exchange.
    Path,
    /// Every exchange.
    Hop,
    /// Those that failed, lost a packet, were slow, and one in so many.
    #[default]
    Auto,
}

/// Error for text that names no detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected auto, path or hop")]
pub struct NotADetail;

impl FromStr for Detail {
    type Err = NotADetail;

    fn from_str(text: &str) -> Result<Self, NotADetail> {
        match text {
            "path" => Ok(Self::Path),
            "hop" => Ok(Self::Hop),
            "auto" => Ok(Self::Auto),
            _ => Err(NotADetail),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::Hop => "hop",
            Self::Auto => "auto",
        })
    }
}

/// Whether the hops of one exchange have spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HopSpans {
    /// They are an attribute of their path.
    No,
    /// As those of every exchange.
    Always,
    /// For this reason (`hopspan.detail.reason`).
    Because(&'static str),
}

impl HopSpans {
    pub(super) fn are_made(self) -> bool {
        self != Self::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_from_str_round_trip() {
        for detail in [Detail::Path, Detail::Hop, Detail::Auto] {
            assert_eq!(detail.to_string().parse(), Ok(detail));
        }
        assert_eq!("hops".parse::<Detail>(), Err(NotADetail));
    }
}
