//! One port of a Kubernetes service in one address family, as kube-proxy sees it.
//!
//! kube-proxy ignores headless services: DNS returns the addresses of their pods.

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
    /// The port's name, which Kubernetes requires when there are several ports.
    pub port_name: Option<String>,
    /// The port's transport.
    pub protocol: Protocol,
    /// The service's address.
    pub cluster_ip: IpAddr,
    /// The service's port.
    pub port: u16,
    /// The addresses and ports of its pods, in the order of kube-proxy's rules. Without any,
    /// connections are rejected.
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
    /// The port on which kube-proxy reports whether the node has endpoints, for load balancers of
    /// services with external policy Local.
    pub health_check_node_port: Option<u16>,
    /// The time-out of `sessionAffinity: ClientIP`: how long after its last connection a client
    /// gets the same endpoint.
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

    /// `namespace/name:port name`, or `namespace/name` when the port has no name: kube-proxy's
    /// ServicePortName.
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

    /// Whether it has other addresses besides its ClusterIP (kubernetes:
    /// ServicePort.ExternallyAccessible).
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
