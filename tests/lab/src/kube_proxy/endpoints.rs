//! The endpoints among which a connection to a service is distributed.
//!
//! Source: kubernetes, proxy.CategorizeEndpoints and the variables at the head of the loop in
//! syncProxyRules.

use std::net::SocketAddr;

use super::network::Networks;
use super::service::{Service, TrafficPolicy};

/// The endpoints of one service, as the rules of one node use them.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// The endpoints for policy Cluster; empty where no address has that policy.
    pub(super) cluster: Vec<SocketAddr>,
    /// The endpoints for policy Local; empty where no address has that policy.
    pub(super) local: Vec<SocketAddr>,
    /// All endpoints that some connection may get on this node.
    pub(super) reachable: Vec<SocketAddr>,
    /// Where the ClusterIP leads.
    pub(super) internal: Choice,
    /// Where all other addresses lead.
    pub(super) external: Choice,
}

/// Where the rules lead a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// One of [`Endpoints::cluster`].
    Cluster,
    /// One of [`Endpoints::local`].
    Local,
    /// The policy is Local and this node has no endpoint: the packet is dropped.
    NoLocal,
    /// The service has no endpoints: the packet is rejected.
    None,
}

impl Endpoints {
    pub(super) fn of(service: &Service, networks: &Networks) -> Self {
        let all = &service.endpoints;
        let on_node = || {
            all.iter()
                .copied()
                .filter(|endpoint| networks.is_local(endpoint.ip()))
        };
        let has_local = on_node().next().is_some();
        let choice = |policy| match policy {
            _ if all.is_empty() => Choice::None,
            TrafficPolicy::Cluster => Choice::Cluster,
            TrafficPolicy::Local if has_local => Choice::Local,
            TrafficPolicy::Local => Choice::NoLocal,
        };
        let uses = |policy| {
            service.internal_traffic_policy == policy
                || (service.is_external() && service.external_traffic_policy == policy)
        };
        // For pods and the node itself an external address has policy Cluster, whatever its own
        // policy (kubernetes: ServicePort.UsesClusterEndpoints).
        let uses_cluster = uses(TrafficPolicy::Cluster) || service.is_external();
        let cluster = if uses_cluster {
            all.clone()
        } else {
            Vec::new()
        };
        let local: Vec<SocketAddr> = if uses(TrafficPolicy::Local) {
            on_node().collect()
        } else {
            Vec::new()
        };
        Self {
            reachable: if uses_cluster {
                cluster.clone()
            } else {
                local.clone()
            },
            cluster,
            local,
            internal: choice(service.internal_traffic_policy),
            external: choice(service.external_traffic_policy),
        }
    }
}
