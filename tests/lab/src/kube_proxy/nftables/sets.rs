//! The sets and maps: the addresses of services, and the chain that each leads to.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::name;
use super::resolved::Resolved;
use crate::kube_proxy::endpoints::Choice;
use crate::kube_proxy::family::Family;
use crate::kube_proxy::service::Service;
use crate::kube_proxy::text::push;

pub(super) fn push_all(text: &mut String, services: &[Resolved<'_>], family: Family) {
    let ip = family.nft_type();
    let portal = format!("{ip} . inet_proto . inet_service : verdict");
    let node_port = "inet_proto . inet_service : verdict";
    for (header, lines, elements) in [
        (
            "set hairpin-connections",
            [
                format!("type {ip} . {ip} . inet_proto . inet_service"),
                "comment \"service hairpin connections\"".to_owned(),
            ],
            hairpins(services),
        ),
        (
            "set cluster-ips",
            [
                format!("type {ip}"),
                "comment \"Active ClusterIPs\"".to_owned(),
            ],
            cluster_ips(services),
        ),
        (
            "map no-endpoint-services",
            [
                format!("type {portal}"),
                "comment \"vmap to drop or reject packets to services with no endpoints\""
                    .to_owned(),
            ],
            flat(services, no_endpoint_services),
        ),
        (
            "map no-endpoint-nodeports",
            [
                format!("type {node_port}"),
                "comment \"vmap to drop or reject packets to service nodeports with no endpoints\""
                    .to_owned(),
            ],
            flat(services, no_endpoint_node_ports),
        ),
        (
            "map firewall-ips",
            [
                format!("type {portal}"),
                "comment \"destinations that are subject to LoadBalancerSourceRanges\"".to_owned(),
            ],
            Vec::new(),
        ),
        (
            "map service-ips",
            [
                format!("type {portal}"),
                "comment \"ClusterIP, ExternalIP and LoadBalancer IP traffic\"".to_owned(),
            ],
            flat(services, service_ips),
        ),
        (
            "map service-nodeports",
            [
                format!("type {node_port}"),
                "comment \"NodePort traffic\"".to_owned(),
            ],
            flat(services, service_node_ports),
        ),
    ] {
        push(text, format_args!("\t{header} {{"));
        for line in lines {
            push(text, format_args!("\t\t{line}"));
        }
        if !elements.is_empty() {
            let elements = elements.join(",\n\t\t\t     ");
            push(text, format_args!("\t\telements = {{ {elements} }}"));
        }
        push(text, format_args!("\t}}"));
    }
}

fn flat(services: &[Resolved<'_>], of: impl Fn(&Resolved<'_>) -> Vec<String>) -> Vec<String> {
    services.iter().flat_map(of).collect()
}

/// Pods whose own connections may lead back to them. Several services may share a pod.
fn hairpins(services: &[Resolved<'_>]) -> Vec<String> {
    let pods: BTreeSet<String> = services
        .iter()
        .flat_map(|resolved| {
            let protocol = resolved.service.protocol;
            resolved.endpoints.reachable.iter().map(move |endpoint| {
                let (ip, port) = (endpoint.ip(), endpoint.port());
                format!("{ip} . {ip} . {protocol} . {port}")
            })
        })
        .collect();
    pods.into_iter().collect()
}

fn cluster_ips(services: &[Resolved<'_>]) -> Vec<String> {
    let ips: BTreeSet<IpAddr> = services
        .iter()
        .map(|resolved| resolved.service.cluster_ip)
        .collect();
    ips.iter().map(ToString::to_string).collect()
}

fn service_ips(resolved: &Resolved<'_>) -> Vec<String> {
    let Resolved { service, endpoints } = resolved;
    let chain = match endpoints.internal {
        Choice::Cluster => Some(name::service_chain(service)),
        Choice::Local => Some(name::local_chain(service)),
        Choice::NoLocal | Choice::None => None,
    };
    let cluster_ip = chain.map(|chain| to_chain(service, service.cluster_ip, &chain));
    let has_external = !service.endpoints.is_empty();
    let external = external_ips(service)
        .filter(|_| has_external)
        .map(|ip| to_chain(service, ip, &name::external_chain(service)));
    cluster_ip.into_iter().chain(external).collect()
}

fn to_chain(service: &Service, ip: IpAddr, chain: &str) -> String {
    let Service { protocol, port, .. } = service;
    format!("{ip} . {protocol} . {port} : goto {chain}")
}

fn service_node_ports(resolved: &Resolved<'_>) -> Vec<String> {
    let service = resolved.service;
    let (protocol, chain) = (service.protocol, name::external_chain(service));
    let port = service.node_port.filter(|_| !service.endpoints.is_empty());
    port.map(|port| format!("{protocol} . {port} : goto {chain}"))
        .into_iter()
        .collect()
}

fn no_endpoint_services(resolved: &Resolved<'_>) -> Vec<String> {
    let Resolved { service, endpoints } = resolved;
    let internal = refusal(endpoints.internal).map(|verdict| (service.cluster_ip, verdict));
    let external = refusal(endpoints.external)
        .into_iter()
        .flat_map(|verdict| external_ips(service).map(move |ip| (ip, verdict)));
    let name = service.service_port_name();
    internal
        .into_iter()
        .chain(external)
        .map(|(ip, verdict)| {
            let Service { protocol, port, .. } = service;
            format!("{ip} . {protocol} . {port} comment \"{name}\" : {verdict}")
        })
        .collect()
}

fn no_endpoint_node_ports(resolved: &Resolved<'_>) -> Vec<String> {
    let service = resolved.service;
    let (name, protocol) = (service.service_port_name(), service.protocol);
    let refused = service.node_port.zip(refusal(resolved.endpoints.external));
    refused
        .map(|(port, verdict)| format!("{protocol} . {port} comment \"{name}\" : {verdict}"))
        .into_iter()
        .collect()
}

fn external_ips(service: &Service) -> impl Iterator<Item = IpAddr> {
    let ips = service.external_ips.iter();
    ips.chain(&service.load_balancer_ips).copied()
}

fn refusal(choice: Choice) -> Option<&'static str> {
    match choice {
        Choice::None => Some("goto reject-chain"),
        Choice::NoLocal => Some("drop"),
        Choice::Cluster | Choice::Local => None,
    }
}
