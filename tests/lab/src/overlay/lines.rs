//! Commands that an overlay runs on a node.

/// Commands in a node's network namespace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// For `ip -batch`.
    pub(crate) ip: String,
    /// For `bridge -batch`.
    pub(crate) bridge: String,
}
