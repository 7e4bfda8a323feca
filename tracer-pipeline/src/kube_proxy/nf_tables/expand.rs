//! Expands a draft by the elements of its set. In: a draft's rule and an element. Out: a rule for
//! that element, with the service that kube-proxy's nftables mode writes into the names of chains.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::super::decision::Answer;
use super::super::finding::Problem;
use super::super::kernel_struct::{Family, byte, u16_be};
use super::super::network::Network;
use super::super::rule::{Destination, Rule, Target};
use super::super::rule_comment::Remark;
use super::super::{Endpoint, Protocol};
use super::lowering::ElementRole;
use super::register::{Field, KeyPart};
use super::set::{Element, Mapped};

/// Prefix of kube-proxy's maps of portals without endpoints.
const NO_ENDPOINT: &str = "no-endpoint-";
/// Prefixes of the chains that belong to a service.
const SERVICE_CHAINS: [&str; 5] = ["service", "local", "external", "endpoint", "firewall"];

/// Expands a rule by one element of its set.
pub(super) fn rule(
    rule: &Rule<'static>,
    set: &str,
    role: &ElementRole,
    element: &Element,
    family: Family,
) -> Result<Rule<'static>, Problem> {
    let mut rule = rule.clone();
    match role {
        ElementRole::Key(key) => narrow(&mut rule, key, element, family)?,
        ElementRole::Verdict(key) => {
            narrow(&mut rule, key, element, family)?;
            if let Some(comment) = &element.comment {
                rule.comment(Cow::Owned(comment.clone()));
            }
            rule.target = match &element.mapped {
                Mapped::Chain(chain) => Target::jump(Cow::Owned(chain.clone())),
                Mapped::Drop => Target::Refuse(Answer::Drop),
                Mapped::Nothing | Mapped::Other | Mapped::Value(_) => Target::Other,
            };
            if set.starts_with(NO_ENDPOINT) {
                // A dropped portal has endpoints, but none that its traffic policy allows.
                rule.remark = Some(match rule.target {
                    Target::Refuse(Answer::Drop) => Remark::NoLocalEndpoints,
                    _ => Remark::NoEndpoints,
                });
            }
        }
        ElementRole::Endpoint {
            address_at,
            port_at,
        } => {
            let endpoint = endpoint(element, *address_at, *port_at, family);
            rule.target = Target::Dnat(endpoint.ok_or(Problem::Malformed)?);
        }
    }
    name_service(&mut rule);
    Ok(rule)
}

/// Takes the service from the name of the chain that the rule jumps to.
pub(super) fn name_service(rule: &mut Rule<'_>) {
    if let (None, Target::Chain(chain)) = (&rule.service, &rule.target)
        && let Some(service) = service(chain)
    {
        rule.service = Some(Cow::Owned(service));
    }
}

/// The endpoint in an element of the set of hairpin connections: address, address, protocol, port.
pub(super) fn hairpin(
    key: &[KeyPart],
    element: &Element,
    family: Family,
) -> Option<(Endpoint, Protocol)> {
    let mut rule = Rule::default();
    narrow(&mut rule, key, element, family).ok()?;
    let ip = rule.destination?.network.host()?;
    Some(((ip, rule.destination_port?), rule.protocol?))
}

/// Adds the conditions of an element's key.
fn narrow(
    rule: &mut Rule<'_>,
    key: &[KeyPart],
    element: &Element,
    family: Family,
) -> Result<(), Problem> {
    for part in key {
        // Parts beyond the key are older values of the registers.
        let Some(value) = element.key.get(part.at..part.at + part.bytes) else {
            break;
        };
        match part.field {
            Field::Destination => {
                let ip = family.address(value).ok_or(Problem::Malformed)?;
                let bits = u32::try_from(value.len() * 8).unwrap_or(u32::MAX);
                rule.destination = Some(Destination {
                    network: Network::new(ip, bits)?,
                    negated: false,
                });
            }
            Field::Protocol => {
                let number = byte(value, 0).ok_or(Problem::Malformed)?;
                rule.protocol = Protocol::from_number(number.into());
            }
            Field::DestinationPort => rule.destination_port = u16_be(value, 0),
            _ => {}
        }
    }
    Ok(())
}

fn endpoint(
    element: &Element,
    address_at: usize,
    port_at: usize,
    family: Family,
) -> Option<SocketAddr> {
    let Mapped::Value(value) = &element.mapped else {
        return None;
    };
    let ip = family.address(value.get(address_at..)?)?;
    Some(SocketAddr::from((ip, u16_be(value, port_at)?)))
}

/// `default/web:http` of `service-ES75RXUV-default/web/tcp/http` and of
/// `endpoint-KIFPOSN7-default/web/tcp/http__10.201.1.11/8080`.
/// Source: pkg/proxy/nftables/proxier.go, servicePortChainName and servicePortEndpointChainName.
fn service(chain: &str) -> Option<String> {
    let (kind, rest) = chain.split_once('-')?;
    if !SERVICE_CHAINS.contains(&kind) {
        return None;
    }
    let (_hash, rest) = rest.split_once('-')?;
    let mut parts = rest.split('/');
    let (namespace, name, _protocol) = (parts.next()?, parts.next()?, parts.next()?);
    let port = parts.next()?;
    let port = port.split_once("__").map_or(port, |(port, _)| port);
    Some(if port.is_empty() {
        format!("{namespace}/{name}")
    } else {
        format!("{namespace}/{name}:{port}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_in_names_of_chains() {
        let check = |chain: &str, expected: Option<&str>| {
            assert_eq!(service(chain).as_deref(), expected, "{chain}");
        };
        check(
            "service-ES75RXUV-default/web-sel/tcp/http",
            Some("default/web-sel:http"),
        );
        check(
            "external-ZQL5S6L6-default/web-lb/tcp/",
            Some("default/web-lb"),
        );
        check("local-A-a-b/c-d/udp/e", Some("a-b/c-d:e"));
        check("firewall-A-a/b/tcp/c", Some("a/b:c"));
        check(
            "endpoint-KIFPOSN7-default/web/tcp/__10.201.1.11/8080",
            Some("default/web"),
        );
        check("endpoint-A-a/b/tcp/c__fd00../80", Some("a/b:c"));
        for other in [
            "services",
            "reject-chain",
            "firewall-check",
            "service-A-a/b",
            "service-",
        ] {
            check(other, None);
        }
    }
}
