//! Edges from callers to services, among which the pipeline divides the rate of traced exchanges.
//!
//! An edge leads from a workload, or the best known name in its place, to a service. The replicas
//! of a workload are one caller, and the pods of a service one callee.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// A caller and the service it calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// The caller.
    pub caller: EdgeEnd,
    /// The called service.
    pub called: EdgeEnd,
}

/// One end of an edge, by the best known name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeEnd {
    /// A service or a workload in its namespace; without a namespace, the node of a caller that is
    /// no pod.
    Named(Option<Arc<str>>, Arc<str>),
    /// A service named by kube-proxy's rules, `namespace/name:port`.
    Ruled(Arc<str>),
    /// The address of a caller without a known name. Its ports change.
    Host(IpAddr),
    /// The address and port of a callee without a known name.
    Socket(SocketAddr),
}

impl fmt::Display for EdgeEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(Some(namespace), name) => write!(f, "{namespace}/{name}"),
            Self::Named(None, name) | Self::Ruled(name) => f.write_str(name),
            Self::Host(address) => write!(f, "{address}"),
            Self::Socket(address) => write!(f, "{address}"),
        }
    }
}
