//! The table filter: connections without an endpoint, and the packets that kube-proxy accepts for
//! forwarding.

use super::match_text::{external_addresses, to_address, to_port};
use crate::kube_proxy::endpoints::{Choice, Endpoints};
use crate::kube_proxy::family::Family;
use crate::kube_proxy::network::Networks;
use crate::kube_proxy::service::Service;
use crate::kube_proxy::text::push;

const CHAINS: &str = "\
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

const RULES: &str = r#"-A INPUT -j KUBE-FIREWALL
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
"#;

/// The kubelet's and kube-proxy's rule against CVE-2020-8558; IPv6 has no such addresses.
const LOCALNET_RULE: &str = r#"-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
"#;

const FORWARD_RULES: &str = r#"-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
"#;

pub(super) fn table(services: &[&Service], family: Family, networks: &Networks) -> String {
    let localnet = match family {
        Family::V4 => LOCALNET_RULE,
        Family::V6 => "",
    };
    let mut text = [CHAINS, RULES, localnet, FORWARD_RULES].concat();
    for service in services {
        push_refusals(&mut text, service, &Endpoints::of(service, networks));
        if let Some(port) = service.health_check_node_port {
            let name = service.service_port_name();
            push(
                &mut text,
                format_args!(
                    "-A KUBE-NODEPORTS -p tcp -m comment --comment \"{name} health check node port\" -m tcp --dport {port} -j ACCEPT"
                ),
            );
        }
    }
    text + "COMMIT\n"
}

fn push_refusals(text: &mut String, service: &Service, endpoints: &Endpoints) {
    let (name, family) = (service.service_port_name(), service.family());
    if let Some((target, why)) = refusal(endpoints.internal, family) {
        let matches = to_address(service.cluster_ip, service, &format!("{name} {why}"));
        push(text, format_args!("-A KUBE-SERVICES {matches} -j {target}"));
    }
    let Some((target, why)) = refusal(endpoints.external, family) else {
        return;
    };
    let comment = format!("{name} {why}");
    let addresses = external_addresses(service).map(|(ip, _)| to_address(ip, service, &comment));
    let local = " -m addrtype --dst-type LOCAL";
    let node_port = service
        .node_port
        .map(|port| to_port(port, service, &comment, local));
    for matches in addresses.chain(node_port) {
        push(
            text,
            format_args!("-A KUBE-EXTERNAL-SERVICES {matches} -j {target}"),
        );
    }
}

/// The target of a rule for connections without an endpoint, and the reason in its comment.
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
