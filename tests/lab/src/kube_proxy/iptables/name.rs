//! Names of chains in iptables mode: a prefix and the first 16 characters of base32(sha256(what the
//! chain is for)).
//!
//! Source: portProtoHash and servicePortEndpointChainName of kube-proxy's iptables mode. The tests
//! derive every such name of a real dump.

use std::net::SocketAddr;

use crate::kube_proxy::hash::base32_sha256;
use crate::kube_proxy::service::Service;

/// The chain that chooses among all endpoints: `KUBE-SVC-` and the hash of service port name and
/// protocol.
pub fn service_chain(service: &Service) -> String {
    of_service("KUBE-SVC-", service)
}

/// The chain that chooses among the endpoints of this node.
pub fn local_chain(service: &Service) -> String {
    of_service("KUBE-SVL-", service)
}

/// The chain for packets to a node port, an external or a load balancer address.
pub fn external_chain(service: &Service) -> String {
    of_service("KUBE-EXT-", service)
}

/// The chain that translates to one endpoint: `KUBE-SEP-` and the hash of service port name,
/// protocol and endpoint.
pub fn endpoint_chain(service: &Service, endpoint: SocketAddr) -> String {
    let Service { protocol, .. } = service;
    let port_name = service.service_port_name();
    derive("KUBE-SEP-", &format!("{port_name}{protocol}{endpoint}"))
}

fn of_service(prefix: &str, service: &Service) -> String {
    let Service { protocol, .. } = service;
    derive(
        prefix,
        &format!("{}{protocol}", service.service_port_name()),
    )
}

fn derive(prefix: &str, text: &str) -> String {
    format!("{prefix}{}", &base32_sha256(text)[..16])
}
