//! Which endpoints of a service a connection may get.
//!
//! Source: kubernetes, proxy.CategorizeEndpoints and the variables at the head of the loop in syncProxyRules.

use std::net::SocketAddr;

use super::network::Networks;
use super::service::{Service, TrafficPolicy};

/// The endpoints of one service, as the rules of one node use them.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// Those of policy Cluster; empty where nothing uses them.
    pub(super) cluster: Vec<SocketAddr>,
    /// Those of policy Local; empty where nothing uses them.
    pub(super) local: Vec<SocketAddr>,
    /// All that some connection may get here.
    pub(super) reachable: Vec<SocketAddr>,
    /// Who the ClusterIP leads to.
    pub(super) internal: Choice,
    /// Who all other addresses lead to.
    pub(super) external: Choice,
}

/// What the rules do with a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// One of [`Endpoints::cluster`].
    Cluster,
    /// One of [`Endpoints::local`].
    Local,
    /// The policy is Local and this node has none: the packet is dropped.
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
        // Pods and the node itself reach an external address as if by policy Cluster, whatever the policy says
        // (kubernetes: ServicePort.UsesClusterEndpoints).
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
