//! The matches of a rule for a service, in iptables-save's spelling and order.

use std::net::IpAddr;

use crate::kube_proxy::family::Family;
use crate::kube_proxy::service::Service;

/// Matches packets to the service's port at one of its addresses.
pub(super) fn to_address(ip: IpAddr, service: &Service, comment: &str) -> String {
    let bits = Family::of(ip).bits();
    format!(
        "-d {ip}/{bits} {}",
        to_port(service.port, service, comment, "")
    )
}

/// Matches packets to a port at any address. `before_port` is another match, printed before that of
/// the port.
pub(super) fn to_port(port: u16, service: &Service, comment: &str, before_port: &str) -> String {
    let protocol = service.protocol;
    format!(
        "-p {protocol} -m comment --comment \"{comment}\"{before_port} -m {protocol} --dport {port}"
    )
}

/// Every address of a service besides its ClusterIP, with kube-proxy's word for it.
pub(super) fn external_addresses(
    service: &Service,
) -> impl Iterator<Item = (IpAddr, &'static str)> {
    let externals = service.external_ips.iter().map(|ip| (*ip, "external IP"));
    let balancers = service.load_balancer_ips.iter();
    externals.chain(balancers.map(|ip| (*ip, "loadbalancer IP")))
}
