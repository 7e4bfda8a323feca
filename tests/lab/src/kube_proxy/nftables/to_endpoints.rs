//! The chains of one service: the choice of an endpoint, and connections from outside.

use std::net::SocketAddr;

use super::chain::push_chain;
use super::name;
use super::resolved::Resolved;
use crate::kube_proxy::endpoints::Choice;
use crate::kube_proxy::network::Networks;
use crate::kube_proxy::service::{Service, TrafficPolicy};
use crate::kube_proxy::text::push;

/// Marks a packet for SNAT in the chain `masquerading`.
const MARK: &str = "meta mark set meta mark | 0x00004000";

pub(super) fn push_chains(text: &mut String, resolved: &Resolved<'_>, networks: &Networks) {
    let Resolved { service, endpoints } = resolved;
    if service.session_affinity.is_some() {
        for endpoint in &endpoints.reachable {
            push_affinity(text, service, *endpoint);
        }
    }
    for (chain, endpoints) in [
        (name::service_chain(service), &endpoints.cluster),
        (name::local_chain(service), &endpoints.local),
    ] {
        if !endpoints.is_empty() {
            push_chain(text, &chain, choice(service, endpoints));
        }
    }
    if service.is_external() && !service.endpoints.is_empty() {
        let rules = external(service, endpoints.external, networks);
        push_chain(text, &name::external_chain(service), rules);
    }
}

/// Adds the set of an endpoint's clients, and the chain that fills it.
fn push_affinity(text: &mut String, service: &Service, endpoint: SocketAddr) {
    let (ip, ip_type) = (service.family().nft(), service.family().nft_type());
    let set = name::affinity_set(service, endpoint);
    let seconds = service
        .session_affinity
        .map_or(0, |timeout| timeout.as_secs());
    push(text, format_args!("\tset {set} {{"));
    for line in [
        format!("type {ip_type}"),
        "size 65535".to_owned(),
        "flags dynamic,timeout".to_owned(),
        format!("timeout {}", duration(seconds)),
    ] {
        push(text, format_args!("\t\t{line}"));
    }
    push(text, format_args!("\t}}"));
    let protocol = service.protocol;
    push_chain(
        text,
        &name::endpoint_chain(service, endpoint),
        [
            format!("update @{set} {{ {ip} saddr }}"),
            format!("meta l4proto {protocol} dnat to {endpoint}"),
        ],
    );
}

/// The choice of an endpoint: with affinity, the one that the client had before; else a random one.
fn choice(service: &Service, endpoints: &[SocketAddr]) -> Vec<String> {
    let (ip, protocol, count) = (service.family().nft(), service.protocol, endpoints.len());
    let numbered = |of: &dyn Fn(&SocketAddr) -> String| -> String {
        let elements = endpoints.iter().map(of).enumerate();
        let elements = elements.map(|(number, to)| format!("{number} : {to}"));
        elements.collect::<Vec<_>>().join(", ")
    };
    if service.session_affinity.is_none() {
        let map = numbered(&|endpoint| format!("{} . {}", endpoint.ip(), endpoint.port()));
        return vec![format!(
            "meta l4proto {protocol} dnat {ip} to numgen random mod {count} map {{ {map} }}"
        )];
    }
    let chain = |endpoint: &SocketAddr| name::endpoint_chain(service, *endpoint);
    let mut rules: Vec<String> = endpoints
        .iter()
        .map(|endpoint| {
            let set = name::affinity_set(service, *endpoint);
            format!("{ip} saddr @{set} goto {}", chain(endpoint))
        })
        .collect();
    let map = numbered(&|endpoint| format!("goto {}", chain(endpoint)));
    rules.push(format!("numgen random mod {count} vmap {{ {map} }}"));
    rules
}

/// The rules for packets to a node port, an external or a load balancer address.
fn external(service: &Service, choice: Choice, networks: &Networks) -> Vec<String> {
    let (ip, to_any) = (service.family().nft(), name::service_chain(service));
    let mut rules = match service.external_traffic_policy {
        TrafficPolicy::Cluster => vec![format!("{MARK} comment \"masquerade\"")],
        TrafficPolicy::Local => vec![
            format!(
                "{ip} saddr {} goto {to_any} comment \"short-circuit pod traffic\"",
                networks.pods
            ),
            format!("fib saddr type local {MARK} comment \"masquerade local traffic\""),
            format!("fib saddr type local goto {to_any} comment \"short-circuit local traffic\""),
        ],
    };
    match choice {
        Choice::Cluster => rules.push(format!("goto {to_any}")),
        Choice::Local => rules.push(format!("goto {}", name::local_chain(service))),
        Choice::NoLocal | Choice::None => {}
    }
    rules
}

/// A duration as nft prints it: `3h`, `1m30s`.
fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3_600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    parts
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect()
}
