//! Under which service's name spans are exported (`--service-name`).

use std::{fmt, str::FromStr};

/// The service whose name the resource of a span has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceName {
    /// The agent, for all spans.
    #[default]
    Hopspan,
    /// The workload of one side: of the server for a response, else of the client.
    Workload,
}

/// Error for text that names no [`ServiceName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected hopspan or workload")]
pub struct NotAServiceName;

impl FromStr for ServiceName {
    type Err = NotAServiceName;

    fn from_str(text: &str) -> Result<Self, NotAServiceName> {
        match text {
            "hopspan" => Ok(Self::Hopspan),
            "workload" => Ok(Self::Workload),
            _ => Err(NotAServiceName),
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hopspan => "hopspan",
            Self::Workload => "workload",
        })
    }
}
