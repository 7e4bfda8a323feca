//! The table nat: from a service's addresses through its chains to an endpoint, and which
//! connections are masqueraded.

use std::fmt;
use std::net::SocketAddr;

use super::match_text::{external_addresses, to_address, to_port};
use super::name::{endpoint_chain, external_chain, local_chain, service_chain};
use crate::kube_proxy::endpoints::{Choice, Endpoints};
use crate::kube_proxy::family::Family;
use crate::kube_proxy::network::Networks;
use crate::kube_proxy::service::{Service, TrafficPolicy};
use crate::kube_proxy::text;

const CHAINS: &str = "\
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

const RULES: &str = r#"-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
"#;

pub(super) fn table(services: &[&Service], family: Family, networks: &Networks) -> String {
    let mut nat = Nat {
        chains: CHAINS.to_owned(),
        rules: RULES.to_owned(),
    };
    for service in services {
        let endpoints = Endpoints::of(service, networks);
        nat.portals(service, &endpoints);
        nat.internal(service, &endpoints, networks);
        nat.external(service, &endpoints, networks);
        nat.choice(&service_chain(service), service, &endpoints.cluster);
        nat.choice(&local_chain(service), service, &endpoints.local);
        for endpoint in &endpoints.reachable {
            nat.endpoint(service, *endpoint);
        }
    }
    // The rule for the node's own addresses must come after the rules of all services. Node ports
    // work on 127.0.0.0/8 (kube-proxy's --iptables-localhost-nodeports) and not on ::1.
    let not_loopback = match family {
        Family::V4 => "",
        Family::V6 => "! -d ::1/128 ",
    };
    nat.rule(format_args!(
        "KUBE-SERVICES {not_loopback}-m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
    ));
    [&nat.chains, &nat.rules, "COMMIT\n"].concat()
}

struct Nat {
    chains: String,
    rules: String,
}

impl Nat {
    fn chain(&mut self, name: &str) {
        text::push(&mut self.chains, format_args!(":{name} - [0:0]"));
    }

    fn rule(&mut self, rule: fmt::Arguments<'_>) {
        text::push(&mut self.rules, format_args!("-A {rule}"));
    }

    /// Rules from every address of a service to the chain that it leads to.
    fn portals(&mut self, service: &Service, endpoints: &Endpoints) {
        let name = service.service_port_name();
        if let Some(chain) = chain_of(endpoints.internal, service) {
            let matches = to_address(service.cluster_ip, service, &format!("{name} cluster IP"));
            self.rule(format_args!("KUBE-SERVICES {matches} -j {chain}"));
        }
        if service.endpoints.is_empty() {
            return;
        }
        let external = external_chain(service);
        for (ip, kind) in external_addresses(service) {
            let matches = to_address(ip, service, &format!("{name} {kind}"));
            self.rule(format_args!("KUBE-SERVICES {matches} -j {external}"));
        }
        if let Some(port) = service.node_port {
            let matches = to_port(port, service, &name, "");
            self.rule(format_args!("KUBE-NODEPORTS {matches} -j {external}"));
        }
    }

    /// A connection to the ClusterIP from outside of the pod network is masqueraded, so that its
    /// replies pass this node.
    fn internal(&mut self, service: &Service, endpoints: &Endpoints, networks: &Networks) {
        if let Some(chain) = chain_of(endpoints.internal, service) {
            let comment = format!("{} cluster IP", service.service_port_name());
            let matches = to_address(service.cluster_ip, service, &comment);
            let source = match networks.masquerade_all {
                true => String::new(),
                false => format!("! -s {} ", networks.pods),
            };
            self.rule(format_args!("{chain} {source}{matches} -j KUBE-MARK-MASQ"));
        }
    }

    /// Rules for all other addresses of the service.
    fn external(&mut self, service: &Service, endpoints: &Endpoints, networks: &Networks) {
        if service.endpoints.is_empty() || !service.is_external() {
            return;
        }
        let (name, ext, svc) = (
            service.service_port_name(),
            external_chain(service),
            service_chain(service),
        );
        self.chain(&ext);
        match service.external_traffic_policy {
            TrafficPolicy::Cluster => self.rule(format_args!(
                "{ext} -m comment --comment \"masquerade traffic for {name} external destinations\" -j KUBE-MARK-MASQ"
            )),
            TrafficPolicy::Local => {
                let pods = networks.pods;
                self.rule(format_args!(
                    "{ext} -s {pods} -m comment --comment \"pod traffic for {name} external destinations\" -j {svc}"
                ));
                self.rule(format_args!(
                    "{ext} -m comment --comment \"masquerade LOCAL traffic for {name} external destinations\" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ"
                ));
                self.rule(format_args!(
                    "{ext} -m comment --comment \"route LOCAL traffic for {name} external destinations\" -m addrtype --src-type LOCAL -j {svc}"
                ));
            }
        }
        if let Some(chain) = chain_of(endpoints.external, service) {
            self.rule(format_args!("{ext} -j {chain}"));
        }
    }

    /// The choice of an endpoint: with affinity, the one that the client had before; else each has
    /// the same probability: 1/n, then 1/(n-1) of the rest, and so on.
    fn choice(&mut self, chain: &str, service: &Service, endpoints: &[SocketAddr]) {
        if endpoints.is_empty() {
            return;
        }
        self.chain(chain);
        let name = service.service_port_name();
        if let Some(timeout) = service.session_affinity {
            for endpoint in endpoints {
                let (sep, seconds) = (endpoint_chain(service, *endpoint), timeout.as_secs());
                let mask = service.family().host_mask();
                self.rule(format_args!(
                    "{chain} -m comment --comment \"{name} -> {endpoint}\" -m recent --rcheck --seconds {seconds} --reap --name {sep} --mask {mask} --rsource -j {sep}"
                ));
            }
        }
        for (endpoint, remaining) in endpoints.iter().zip((1..=endpoints.len()).rev()) {
            let sep = endpoint_chain(service, *endpoint);
            let statistic = match remaining {
                1 => String::new(),
                _ => format!(
                    " -m statistic --mode random --probability {}",
                    probability(remaining)
                ),
            };
            self.rule(format_args!(
                "{chain} -m comment --comment \"{name} -> {endpoint}\"{statistic} -j {sep}"
            ));
        }
    }

    fn endpoint(&mut self, service: &Service, endpoint: SocketAddr) {
        let (name, protocol) = (service.service_port_name(), service.protocol);
        let sep = endpoint_chain(service, endpoint);
        let (ip, family) = (endpoint.ip(), service.family());
        self.chain(&sep);
        // A pod that reaches itself is masqueraded: otherwise it would reply to itself directly.
        self.rule(format_args!(
            "{sep} -s {ip}/{} -m comment --comment \"{name}\" -j KUBE-MARK-MASQ",
            family.bits()
        ));
        let recent = match service.session_affinity {
            Some(_) => format!(
                " -m recent --set --name {sep} --mask {} --rsource",
                family.host_mask()
            ),
            None => String::new(),
        };
        self.rule(format_args!(
            "{sep} -p {protocol} -m comment --comment \"{name}\"{recent} -m {protocol} -j DNAT --to-destination {endpoint}"
        ));
    }
}

fn chain_of(choice: Choice, service: &Service) -> Option<String> {
    match choice {
        Choice::Cluster => Some(service_chain(service)),
        Choice::Local => Some(local_chain(service)),
        Choice::NoLocal | Choice::None => None,
    }
}

/// 1/`remaining`, with ten decimals as in kube-proxy.
fn probability(remaining: usize) -> String {
    // A double is exact for any number of endpoints.
    format!("{:.10}", 1.0 / remaining as f64)
}
