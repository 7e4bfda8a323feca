//! Names of chains and sets in nftables mode: a prefix, the first 8 characters of base32(sha256(the
//! service)), the service.
//!
//! Source: servicePortChainNameBase, servicePortEndpointChainNameBase and hashAndTruncate of
//! kube-proxy's nftables mode, which truncates them to 240 characters. DNS labels with an address
//! are shorter.

use std::net::SocketAddr;

use crate::kube_proxy::hash::base32_sha256;
use crate::kube_proxy::service::Service;

/// The chain that chooses among all endpoints.
pub(crate) fn service_chain(service: &Service) -> String {
    format!("service-{}", hashed(&of_service(service)))
}

/// The chain that chooses among the endpoints of this node.
pub(crate) fn local_chain(service: &Service) -> String {
    format!("local-{}", hashed(&of_service(service)))
}

/// The chain for packets to a node port, an external or a load balancer address.
pub(crate) fn external_chain(service: &Service) -> String {
    format!("external-{}", hashed(&of_service(service)))
}

/// The chain that translates to one endpoint, where a service has session affinity.
pub(crate) fn endpoint_chain(service: &Service, endpoint: SocketAddr) -> String {
    format!("endpoint-{}", of_endpoint(service, endpoint))
}

/// The set of clients whose connections go to an endpoint again.
pub(super) fn affinity_set(service: &Service, endpoint: SocketAddr) -> String {
    format!("affinity-{}", of_endpoint(service, endpoint))
}

fn of_service(service: &Service) -> String {
    let Service {
        namespace,
        name,
        protocol,
        port_name,
        ..
    } = service;
    let port_name = port_name.as_deref().unwrap_or_default();
    format!("{namespace}/{name}/{protocol}/{port_name}")
}

/// The name of a chain cannot contain colons.
fn of_endpoint(service: &Service, endpoint: SocketAddr) -> String {
    let ip = endpoint.ip().to_string().replace(':', ".");
    hashed(&format!(
        "{}__{ip}/{}",
        of_service(service),
        endpoint.port()
    ))
}

fn hashed(name: &str) -> String {
    format!("{}-{name}", &base32_sha256(name)[..8])
}
