//! How many spans tell of an exchange.

use std::{fmt, str::FromStr};

/// What has a span of its own. What has none is told by the span above it, so that no hop, failure or
/// decision is lost, only its own place in the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The exchange; its paths are attributes of it.
    Exchange,
    /// Its paths too; their hops are events of them.
    Path,
    /// Everything.
    #[default]
    Hop,
}

/// There is no such detail.
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
    fn a_detail_is_read_as_it_is_written() {
        for detail in [Detail::Exchange, Detail::Path, Detail::Hop] {
            assert_eq!(detail.to_string().parse(), Ok(detail));
        }
        assert_eq!("hops".parse::<Detail>(), Err(NotADetail));
    }
}
