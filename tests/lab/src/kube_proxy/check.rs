//! Refuses services that kube-proxy never sees, because the API server refuses them.

use std::collections::HashSet;
use std::net::SocketAddr;

use anyhow::{Result, ensure};

use super::family::Family;
use super::iptables::name::{endpoint_chain, service_chain};
use super::service::Service;
use crate::names::check_dns_label;

/// # Errors
/// When a name is no DNS label, two services of a family share a chain, a service mixes families,
/// or an endpoint is given twice.
pub(super) fn services(services: &[Service]) -> Result<()> {
    let mut chains = HashSet::new();
    for service in services {
        let (name, family) = (service.service_port_name(), service.family());
        check_dns_label("namespace", &service.namespace)?;
        check_dns_label("service", &service.name)?;
        service
            .port_name
            .as_ref()
            .map_or(Ok(()), |port| check_dns_label("port name", port))?;
        ensure!(
            chains.insert((family, service_chain(service))),
            "service {name} is given twice: give its ports different names"
        );
        for endpoint in &service.endpoints {
            ensure!(
                chains.insert((family, endpoint_chain(service, *endpoint))),
                "service {name} has endpoint {endpoint} twice"
            );
        }
        let mut others = service
            .endpoints
            .iter()
            .map(SocketAddr::ip)
            .chain(service.external_ips.iter().copied())
            .chain(service.load_balancer_ips.iter().copied());
        ensure!(
            others.all(|ip| Family::of(ip) == family),
            "service {name} mixes address families: make it two services of one name"
        );
    }
    Ok(())
}
