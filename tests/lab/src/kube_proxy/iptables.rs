//! The rules of iptables mode, as text for `iptables-restore` and `ip6tables-restore`.
//!
//! The rules and their order are those of a real kube-proxy (kubernetes: pkg/proxy/iptables, syncProxyRules), in
//! iptables-save's spelling.

mod filter;
pub(super) mod name;
mod nat;

use std::fmt;

use super::endpoints::Choice;
use super::{Family, Networks, Protocol, Service};

pub(super) fn payload(services: &[&Service], family: Family, networks: &Networks) -> String {
    [
        MANGLE,
        &filter::table(services, family, networks),
        &nat::table(services, family, networks),
    ]
    .concat()
}

/// kube-proxy notices by this chain's absence that somebody flushed the rules.
const MANGLE: &str = "\
*mangle
:KUBE-PROXY-CANARY - [0:0]
COMMIT
";

/// What a rule matches of a service: an address, or the node itself, and a port. iptables-save prints the comment between
/// the two.
#[derive(Clone, Copy)]
struct Portal {
    ip: Option<std::net::IpAddr>,
    protocol: Protocol,
    port: u16,
}

impl Portal {
    fn address(ip: std::net::IpAddr, service: &Service) -> Self {
        Self {
            ip: Some(ip),
            protocol: service.protocol,
            port: service.port,
        }
    }

    fn node_port(port: u16, service: &Service) -> Self {
        Self {
            ip: None,
            protocol: service.protocol,
            port,
        }
    }

    fn with_comment(self, comment: &str) -> Commented<'_> {
        Commented {
            portal: self,
            comment,
            between: "",
        }
    }

    /// With another match before that of the port.
    fn with_match<'a>(self, comment: &'a str, between: &'a str) -> Commented<'a> {
        Commented {
            portal: self,
            comment,
            between,
        }
    }
}

struct Commented<'a> {
    portal: Portal,
    comment: &'a str,
    between: &'a str,
}

impl fmt::Display for Commented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Portal { ip, protocol, port } = self.portal;
        if let Some(ip) = ip {
            write!(f, "-d {ip}/{} ", Family::of(ip).bits())?;
        }
        let Self {
            comment, between, ..
        } = self;
        write!(
            f,
            "-p {protocol} -m comment --comment \"{comment}\"{between} -m {protocol} --dport {port}"
        )
    }
}

/// Every address a service has besides its ClusterIP, with kube-proxy's word for it.
fn external_addresses(service: &Service) -> impl Iterator<Item = (Portal, &'static str)> {
    let externals = service.external_ips.iter().map(|ip| (ip, "external IP"));
    let balancers = service
        .load_balancer_ips
        .iter()
        .map(|ip| (ip, "loadbalancer IP"));
    externals
        .chain(balancers)
        .map(|(ip, kind)| (Portal::address(*ip, service), kind))
}

/// The end of a filter rule for what no endpoint takes, and the reason in its comment.
fn refusal(choice: Choice, family: Family) -> Option<(String, &'static str)> {
    match choice {
        Choice::None => Some((
            format!("REJECT --reject-with {}", family.reject()),
            "has no endpoints",
        )),
        Choice::NoLocal => Some(("DROP".to_owned(), "has no local endpoints")),
        Choice::Cluster | Choice::Local => None,
    }
}
