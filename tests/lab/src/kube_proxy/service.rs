//! One port of a Kubernetes service, as kube-proxy sees it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The transport of a service port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// One port of a ClusterIP service. A service with two ports is two of these.
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
    pub cluster_ip: Ipv4Addr,
    /// The service's port.
    pub port: u16,
    /// Pods' addresses and ports, in the order in which kube-proxy's rules try them. None: connections are rejected.
    pub endpoints: Vec<SocketAddrV4>,
}

impl Service {
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
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.cluster_ip, self.port)
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
