//! kube-proxy's rules for a lab's services, in each of its modes and both address families.
//!
//! In: services with their endpoints, and the networks of the cluster. Out: the text for
//! `iptables-restore`, `ip6tables-restore` or `nft`, and the names of the chains that a packet
//! passes, for tests to expect. The tests compare the rules with those of a real kube-proxy, in
//! testdata.
//!
//! Not implemented, because no service of a lab needs them: loadBalancerSourceRanges, topology
//! hints, terminating endpoints, and nfacct matches, whose counters nfacct(8) must make first
//! (kube-proxy omits them, too, where it cannot make those counters).

mod check;
mod crowd;
mod endpoints;
mod expected_chains;
mod family;
mod hash;
mod iptables;
mod mode;
mod network;
mod nftables;
mod service;
mod text;

pub use crowd::{CROWD_ENDPOINTS, crowd};
pub use expected_chains::{Entry, Origin, ServiceConnection};
pub use family::Family;
pub use iptables::name::{endpoint_chain, external_chain, local_chain, service_chain};
pub use mode::ProxyMode;
pub use network::{Network, Networks};
pub use service::{Protocol, Service, TrafficPolicy};

use anyhow::Result;

/// The text for `iptables-restore` or, for IPv6, `ip6tables-restore`: it replaces the tables
/// mangle, filter and nat by those for the services of the family.
///
/// # Errors
/// When a name is no DNS label, two services share a chain, a service mixes families, or an
/// endpoint is given twice.
pub fn iptables(services: &[Service], family: Family, networks: &Networks) -> Result<String> {
    check::services(services)?;
    Ok(iptables::payload(&of(services, family), family, networks))
}

/// The text for `nft -f`: it replaces the table `ip kube-proxy` or `ip6 kube-proxy` by that for the
/// services of the family.
///
/// # Errors
/// As [`iptables`].
pub fn nftables(services: &[Service], family: Family, networks: &Networks) -> Result<String> {
    check::services(services)?;
    Ok(nftables::payload(&of(services, family), family, networks))
}

fn of(services: &[Service], family: Family) -> Vec<&Service> {
    services
        .iter()
        .filter(|service| service.family() == family)
        .collect()
}
