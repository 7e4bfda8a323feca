//! The two ends of a connection.

/// Who has sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who has opened the connection.
    Client,
    /// Who has accepted it.
    Server,
}

impl Side {
    /// The peer.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
