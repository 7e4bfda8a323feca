//! Who calls whom, for whoever shares something out among services.
//!
//! In: who took part in an exchange. Out: an edge: from a workload, or what is known in its place, to a
//! service. The replicas of a workload are one; so are the pods behind a service.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// From a caller to what it calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Who calls.
    pub caller: EdgeEnd,
    /// What is called.
    pub called: EdgeEnd,
}

/// One end of an edge, by the best name there is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeEnd {
    /// A service or a workload, in its namespace; the node, of what is no pod.
    Named(Option<Arc<str>>, Arc<str>),
    /// A service by kube-proxy's rules, `namespace/name:port`.
    Ruled(Arc<str>),
    /// Who is not known by name. Its ports change.
    Host(IpAddr),
    /// What is not known by name.
    Socket(SocketAddr),
}
