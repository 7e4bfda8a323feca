//! The rules themselves, as text for iptables-restore.
//!
//! The rules and their order are those of a real kube-proxy in iptables mode, in iptables-save's spelling. Left out are
//! NodePort, LoadBalancer, external addresses and session affinity, which the lab's services do not have, and the nfacct
//! match on the rule that drops INVALID packets: it counts into an object that must be made by nfacct(8) first, and
//! kube-proxy leaves it out, too, where it could not make that object.

use std::collections::HashSet;
use std::fmt::Write;

use anyhow::{Result, ensure};

use super::chain::{endpoint_chain, service_chain};
use super::service::Service;
use crate::names::check_dns_label;

/// The text that sets up the tables mangle, filter and nat for these services, in place of what they hold.
/// Traffic to a ClusterIP from outside `cluster_cidr` is masqueraded.
///
/// # Errors
/// When a name is no DNS label, two services share a chain, or an endpoint is given twice.
pub fn payload(services: &[Service], cluster_cidr: &str) -> Result<String> {
    check(services)?;
    Ok([MANGLE, &filter(services), &nat(services, cluster_cidr)].concat())
}

/// kube-proxy notices by this chain's absence that somebody flushed the rules.
const MANGLE: &str = "\
*mangle
:KUBE-PROXY-CANARY - [0:0]
COMMIT
";

const FILTER_CHAINS: &str = "\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
";

const FILTER_RULES: &str = r#"-A INPUT -j KUBE-FIREWALL
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
"#;

const NAT_CHAINS: &str = "\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SERVICES - [0:0]
";

const NAT_RULES: &str = r#"-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
"#;

/// Packets to the node's own addresses; it must come after the rules of all services.
const NODEPORTS_RULE: &str = r#"-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
"#;

fn check(services: &[Service]) -> Result<()> {
    let mut chains = HashSet::new();
    for service in services {
        let name = service.service_port_name();
        check_dns_label("namespace", &service.namespace)?;
        check_dns_label("service", &service.name)?;
        service
            .port_name
            .as_ref()
            .map_or(Ok(()), |port| check_dns_label("port name", port))?;
        ensure!(
            chains.insert(service_chain(service)),
            "service {name} is given twice: name its ports apart"
        );
        for endpoint in &service.endpoints {
            ensure!(
                chains.insert(endpoint_chain(service, *endpoint)),
                "service {name} has endpoint {endpoint} twice"
            );
        }
    }
    Ok(())
}

fn filter(services: &[Service]) -> String {
    let mut text = [FILTER_CHAINS, FILTER_RULES].concat();
    for service in services
        .iter()
        .filter(|service| service.endpoints.is_empty())
    {
        let (name, matches) = (service.service_port_name(), Matches::of(service));
        push(
            &mut text,
            format_args!(
                "-A KUBE-SERVICES {} -m comment --comment \"{name} has no endpoints\" {} -j REJECT --reject-with icmp-port-unreachable",
                matches.address, matches.port
            ),
        );
    }
    text + "COMMIT\n"
}

fn nat(services: &[Service], cluster_cidr: &str) -> String {
    let mut chains = NAT_CHAINS.to_owned();
    let mut rules = NAT_RULES.to_owned();
    for service in services
        .iter()
        .filter(|service| !service.endpoints.is_empty())
    {
        let (name, svc, matches) = (
            service.service_port_name(),
            service_chain(service),
            Matches::of(service),
        );
        let portal = format!(
            "{} -m comment --comment \"{name} cluster IP\" {}",
            matches.address, matches.port
        );
        push(&mut chains, format_args!(":{svc} - [0:0]"));
        push(
            &mut rules,
            format_args!("-A KUBE-SERVICES {portal} -j {svc}"),
        );
        push(
            &mut rules,
            format_args!("-A {svc} ! -s {cluster_cidr} {portal} -j KUBE-MARK-MASQ"),
        );
        push_endpoints(&mut chains, &mut rules, service);
    }
    [&chains, &rules, NODEPORTS_RULE, "COMMIT\n"].concat()
}

/// The choice of an endpoint, each with the same probability overall: 1/n, then 1/(n-1) of the rest, and so on.
fn push_endpoints(chains: &mut String, rules: &mut String, service: &Service) {
    let (name, svc, protocol) = (
        service.service_port_name(),
        service_chain(service),
        service.protocol,
    );
    let endpoints = service
        .endpoints
        .iter()
        .zip((1..=service.endpoints.len()).rev());
    for (endpoint, remaining) in endpoints {
        let sep = endpoint_chain(service, *endpoint);
        push(chains, format_args!(":{sep} - [0:0]"));
        let statistic = match remaining {
            1 => String::new(),
            _ => format!(
                " -m statistic --mode random --probability {}",
                probability(remaining)
            ),
        };
        push(
            rules,
            format_args!(
                "-A {svc} -m comment --comment \"{name} -> {endpoint}\"{statistic} -j {sep}"
            ),
        );
        // A pod that reaches itself: without masquerading it would answer itself directly.
        let ip = endpoint.ip();
        push(
            rules,
            format_args!("-A {sep} -s {ip}/32 -m comment --comment \"{name}\" -j KUBE-MARK-MASQ"),
        );
        push(
            rules,
            format_args!(
                "-A {sep} -p {protocol} -m comment --comment \"{name}\" -m {protocol} -j DNAT --to-destination {endpoint}"
            ),
        );
    }
}

/// One in `remaining`, with kube-proxy's ten decimals.
fn probability(remaining: usize) -> String {
    // The count is the number of endpoints: exact in a double far beyond any of them.
    format!("{:.10}", 1.0 / remaining as f64)
}

/// The parts of a rule that match a service's address; the comment stands between them.
struct Matches {
    address: String,
    port: String,
}

impl Matches {
    fn of(service: &Service) -> Self {
        let Service {
            cluster_ip,
            protocol,
            port,
            ..
        } = service;
        Self {
            address: format!("-d {cluster_ip}/32 -p {protocol}"),
            port: format!("-m {protocol} --dport {port}"),
        }
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}
