//! How many spans an exchange has (`--detail`).

use std::{fmt, str::FromStr};

/// What has a span of its own. What has none is recorded on the span above it, so no hop, failure
/// or decision is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The exchange only; its paths are its attributes.
    Exchange,
    /// The exchange and its paths; hops are events of the paths.
    Path,
    /// The exchange, its paths and their hops.
    #[default]
    Hop,
}

/// Error for text that names no detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected exchange, path or hop")]
pub struct NotADetail;

impl FromStr for Detail {
    type Err = NotADetail;

    fn from_str(text: &str) -> Result<Self, NotADetail> {
        match text {
            "exchange" => Ok(Self::Exchange),
            "path" => Ok(Self::Path),
            "hop" => Ok(Self::Hop),
            _ => Err(NotADetail),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exchange => "exchange",
            Self::Path => "path",
            Self::Hop => "hop",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_from_str_round_trip() {
        for detail in [Detail::Exchange, Detail::Path, Detail::Hop] {
            assert_eq!(detail.to_string().parse(), Ok(detail));
        }
        assert_eq!("hops".parse::<Detail>(), Err(NotADetail));
    }
}
