//! The chains that a connection to a service passes, for tests to expect.

use std::net::SocketAddr;

use super::iptables::name::{endpoint_chain, external_chain, local_chain, service_chain};
use super::mode::ProxyMode;
use super::nftables::name as nft_name;
use super::service::{Service, TrafficPolicy};

/// Which of a service's addresses a client connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Its ClusterIP.
    ClusterIp,
    /// An external or a load balancer address.
    External,
    /// Its node port, on any address of the node.
    NodePort,
}

/// Where the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In a pod, on any node.
    Pod,
    /// On the node itself, outside of pods.
    Node,
    /// Outside of the cluster.
    Outside,
}

/// One connection to a service.
#[derive(Debug, Clone, Copy)]
pub struct ServiceConnection<'a> {
    /// The service.
    pub service: &'a Service,
    /// Which of the service's addresses the client connects to.
    pub entry: Entry,
    /// Where the client is.
    pub origin: Origin,
    /// The endpoint that the connection got.
    pub endpoint: SocketAddr,
}

impl ServiceConnection<'_> {
    /// The chains in the order of the jumps: the first is kube-proxy's own, the last translates.
    pub fn chains(&self, mode: ProxyMode) -> Vec<String> {
        match mode {
            ProxyMode::Iptables | ProxyMode::IptablesLegacy => self.iptables(),
            ProxyMode::Nftables => self.nftables(),
        }
    }

    fn iptables(&self) -> Vec<String> {
        let service = self.service;
        let mut chains = vec!["KUBE-SERVICES".to_owned()];
        if self.entry == Entry::NodePort {
            chains.push("KUBE-NODEPORTS".to_owned());
        }
        if self.entry != Entry::ClusterIp {
            chains.push(external_chain(service));
        }
        chains.push(match self.policy() {
            TrafficPolicy::Cluster => service_chain(service),
            TrafficPolicy::Local => local_chain(service),
        });
        chains.push(endpoint_chain(service, self.endpoint));
        chains
    }

    fn nftables(&self) -> Vec<String> {
        let service = self.service;
        let mut chains = vec!["services".to_owned()];
        if self.entry != Entry::ClusterIp {
            chains.push(nft_name::external_chain(service));
        }
        chains.push(match self.policy() {
            TrafficPolicy::Cluster => nft_name::service_chain(service),
            TrafficPolicy::Local => nft_name::local_chain(service),
        });
        if service.session_affinity.is_some() {
            chains.push(nft_name::endpoint_chain(service, self.endpoint));
        }
        chains
    }

    /// For clients inside of the cluster an external address has policy Cluster.
    fn policy(&self) -> TrafficPolicy {
        match (self.entry, self.origin) {
            (Entry::ClusterIp, _) => self.service.internal_traffic_policy,
            (_, Origin::Outside) => self.service.external_traffic_policy,
            (_, Origin::Pod | Origin::Node) => TrafficPolicy::Cluster,
        }
    }
}
