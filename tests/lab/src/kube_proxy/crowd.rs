//! Many services without clients, to measure the cost of rules.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};

use super::service::Service;

/// The network of their ClusterIPs: the upper half of the lab's service network, where no other
/// service is.
const NETWORK: u32 = u32::from_be_bytes([10, 96, 128, 0]);
/// The addresses in that network.
const MOST: u32 = 1 << 15;
/// The address of their first endpoint: a pod of a node that the lab does not have.
const PODS: u32 = u32::from_be_bytes([10, 244, 255, 2]);

/// The endpoints of each service.
pub const CROWD_ENDPOINTS: usize = 2;

/// Makes this many services of type ClusterIP, each with two endpoints on another node, in the
/// order of their addresses.
///
/// # Errors
/// When there are fewer addresses.
pub fn crowd(services: u32) -> Result<Vec<Service>> {
    ensure!(
        services <= MOST,
        "{services} services are too many: the lab has addresses for {MOST}"
    );
    Ok((0..services).map(service).collect())
}

fn service(number: u32) -> Service {
    let at = |bits, port| SocketAddr::new(Ipv4Addr::from_bits(bits).into(), port);
    // A service has no address twice, but services share addresses: a node has no more than some
    // hundred pods.
    let pod = |pod: u32| PODS + number % 100 + 100 * pod;
    Service {
        port_name: Some("http".to_owned()),
        endpoints: [0, 1].map(|index| at(pod(index), 8080)).to_vec(),
        ..Service::new(
            "crowd",
            &format!("service-{number}"),
            at(NETWORK + number, 80),
        )
    }
}
