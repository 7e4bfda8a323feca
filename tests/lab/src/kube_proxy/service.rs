//! One port of a Kubernetes service in one address family, as kube-proxy sees it.
//!
//! A headless service is none of them: kube-proxy ignores it, and DNS gives the addresses of its pods.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::family::Family;

/// The transport of a service port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// `internalTrafficPolicy` or `externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// Any endpoint of the cluster.
    #[default]
    Cluster,
    /// Endpoints on the node that the connection comes to.
    Local,
}

/// One port of a service. A service with two ports, or of two families, is two of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port's name, which Kubernetes wants when there are several.
    pub port_name: Option<String>,
    /// The port's transport.
    pub protocol: Protocol,
    /// The service's address.
    pub cluster_ip: IpAddr,
    /// The service's port.
    pub port: u16,
    /// Pods' addresses and ports, in the order in which kube-proxy's rules try them. None: connections are rejected.
    pub endpoints: Vec<SocketAddr>,
    /// Which endpoints connections to the ClusterIP may get.
    pub internal_traffic_policy: TrafficPolicy,
    /// Which endpoints connections to the node port, external and load balancer addresses may get.
    pub external_traffic_policy: TrafficPolicy,
    /// The port on every address of every node, for services of type NodePort and LoadBalancer.
    pub node_port: Option<u16>,
    /// `spec.externalIPs`.
    pub external_ips: Vec<IpAddr>,
    /// `status.loadBalancer.ingress` with `ipMode: VIP`.
    pub load_balancer_ips: Vec<IpAddr>,
    /// Where kube-proxy answers whether the node has endpoints, for load balancers of services with external policy Local.
    pub health_check_node_port: Option<u16>,
    /// `sessionAffinity: ClientIP`, and for how long a client that has gone returns to its endpoint.
    pub session_affinity: Option<Duration>,
}

impl Service {
    /// A TCP service of type ClusterIP without endpoints and without a port name.
    pub fn new(namespace: &str, name: &str, address: SocketAddr) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port_name: None,
            protocol: Protocol::Tcp,
            cluster_ip: address.ip(),
            port: address.port(),
            endpoints: Vec::new(),
            internal_traffic_policy: TrafficPolicy::Cluster,
            external_traffic_policy: TrafficPolicy::Cluster,
            node_port: None,
            external_ips: Vec::new(),
            load_balancer_ips: Vec::new(),
            health_check_node_port: None,
            session_affinity: None,
        }
    }

    /// `namespace/name:port name`, or `namespace/name` when the port has no name: kube-proxy's ServicePortName.
    pub fn service_port_name(&self) -> String {
        let Self {
            namespace, name, ..
        } = self;
        match &self.port_name {
            Some(port) => format!("{namespace}/{name}:{port}"),
            None => format!("{namespace}/{name}"),
        }
    }

    /// The address clients connect to.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.cluster_ip, self.port)
    }

    /// The family of its address and of its endpoints.
    pub fn family(&self) -> Family {
        Family::of(self.cluster_ip)
    }

    /// Whether it can be reached by more than its ClusterIP (kubernetes: ServicePort.ExternallyAccessible).
    pub(super) fn is_external(&self) -> bool {
        self.node_port.is_some()
            || !self.external_ips.is_empty()
            || !self.load_balancer_ips.is_empty()
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}
