//! How much of the path of a request is exported and recorded (`--paths`).

use std::{fmt, str::FromStr};

/// What leaves the agent of the path of a request. A query or a fragment never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrlPaths {
    /// The path as it was sent.
    Full,
    /// The path with `{id}` in the place of what looks like an id or a secret.
    #[default]
    Template,
    /// Nothing, the names of gRPC's services and methods included.
    Off,
}

/// Error for text that names no [`UrlPaths`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected full, template or off")]
pub struct NotUrlPaths;

impl FromStr for UrlPaths {
    type Err = NotUrlPaths;

    fn from_str(text: &str) -> Result<Self, NotUrlPaths> {
        match text {
            "full" => Ok(Self::Full),
            "template" => Ok(Self::Template),
            "off" => Ok(Self::Off),
            _ => Err(NotUrlPaths),
        }
    }
}

impl fmt::Display for UrlPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Template => "template",
            Self::Off => "off",
        })
    }
}
