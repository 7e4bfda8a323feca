//! Chain names, derived as kube-proxy derives them: a prefix and the first 16 characters of base32(sha256(what it is for)).
//!
//! Source: servicePortChainName and servicePortEndpointChainName of kube-proxy's iptables mode. The tests derive every such
//! name of a real dump.

use std::net::SocketAddrV4;

use data_encoding::BASE32;
use sha2::{Digest, Sha256};

use super::Service;

/// The chain that chooses an endpoint: `KUBE-SVC-` and the hash of service port name and protocol.
pub fn service_chain(service: &Service) -> String {
    derive(
        "KUBE-SVC-",
        &format!("{}{}", service.service_port_name(), service.protocol),
    )
}

/// The chain that translates to one endpoint: `KUBE-SEP-` and the hash of service port name, protocol and endpoint.
pub fn endpoint_chain(service: &Service, endpoint: SocketAddrV4) -> String {
    derive(
        "KUBE-SEP-",
        &format!(
            "{}{}{endpoint}",
            service.service_port_name(),
            service.protocol
        ),
    )
}

fn derive(prefix: &str, text: &str) -> String {
    let hash = BASE32.encode(&Sha256::digest(text));
    format!("{prefix}{}", &hash[..16])
}
