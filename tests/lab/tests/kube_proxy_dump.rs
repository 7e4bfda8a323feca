//! The generated rules beside those of a real kube-proxy (v1 iptables mode, pod network 10.201.0.0/16) for the same
//! services, in testdata. Needs no privilege.
//!
//! Not compared, because a lab has no such services: NodePort, LoadBalancer, external IPs, session affinity. The nfacct
//! match is taken off the dump's rules, see `hopspan_lab::kube_proxy`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};

use hopspan_lab::kube_proxy::{Protocol, Service, endpoint_chain, payload, service_chain};

const DUMP: &str = include_str!("../testdata/kube-proxy-iptables-save.txt");
const POD_NETWORK: &str = "10.201.0.0/16";

/// Rules by table and chain, in order.
type Rules = BTreeMap<(String, String), Vec<String>>;

fn service(
    name: &str,
    port_name: &str,
    protocol: Protocol,
    address: &str,
    endpoints: &[&str],
) -> Service {
    let address: std::net::SocketAddrV4 = address.parse().unwrap();
    Service {
        namespace: "default".into(),
        name: name.into(),
        port_name: (!port_name.is_empty()).then(|| port_name.into()),
        protocol,
        cluster_ip: *address.ip(),
        port: address.port(),
        endpoints: endpoints
            .iter()
            .map(|endpoint| endpoint.parse().unwrap())
            .collect(),
    }
}

/// The dump's services, with session affinity and load balancer taken off.
fn services() -> Vec<Service> {
    const WEB: [&str; 2] = ["10.201.1.11:8080", "10.201.1.12:8080"];
    const DNS: [&str; 2] = ["10.201.1.11:5353", "10.201.1.12:5353"];
    vec![
        service("kubernetes", "https", Protocol::Tcp, "10.97.0.1:443", &[]),
        service("web-empty", "", Protocol::Tcp, "10.97.10.40:80", &[]),
        service("web-manual", "udp", Protocol::Udp, "10.97.10.10:53", &DNS),
        service("web-manual", "http", Protocol::Tcp, "10.97.10.10:80", &WEB),
        service("web-sel", "http", Protocol::Tcp, "10.97.10.20:80", &WEB),
        service("web-sticky", "", Protocol::Tcp, "10.97.10.30:80", &WEB),
        service("web-lb", "", Protocol::Tcp, "10.97.10.50:80", &WEB),
    ]
}

fn rules(text: &str) -> Rules {
    let mut table = "";
    let mut rules = Rules::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(rest) = line.strip_prefix(':') {
            let chain = rest.split(' ').next().unwrap();
            rules.entry((table.into(), chain.into())).or_default();
        } else if let Some(rest) = line.strip_prefix("-A ") {
            let (chain, rule) = rest.split_once(' ').unwrap();
            rules
                .entry((table.into(), chain.into()))
                .or_default()
                .push(as_saved(rule));
        }
    }
    rules
}

/// A rule as iptables-save would print it: the kernel keeps a probability in units of 2^-31.
fn as_saved(rule: &str) -> String {
    let Some((before, rest)) = rule.split_once("--probability ") else {
        return rule.into();
    };
    let (number, after) = rest.split_once(' ').unwrap();
    let units = (number.parse::<f64>().unwrap() * 2f64.powi(31)).round();
    format!(
        "{before}--probability {:.11} {after}",
        units / 2f64.powi(31)
    )
}

/// What of the dump a lab's payload cannot have.
fn is_out_of_scope(chain: &str, rule: &str) -> bool {
    ["KUBE-EXT-", "KUBE-SVL-"]
        .iter()
        .any(|prefix| chain.starts_with(prefix) || rule.contains(prefix))
        || rule.contains("health check node port")
        || rule.contains("-m recent")
}

#[test]
fn every_rule_is_kube_proxys_own() {
    let ours = rules(&payload(&services(), POD_NETWORK).unwrap());
    let mut compared = 0;
    for ((table, chain), dumped) in rules(DUMP) {
        let mut expected: Vec<String> = dumped
            .into_iter()
            .filter(|rule| !is_out_of_scope(&chain, rule))
            .map(|rule| {
                rule.replace(
                    " -m nfacct --nfacct-name  ct_state_invalid_dropped_pkts",
                    "",
                )
            })
            .collect();
        if is_out_of_scope(&chain, "")
            || (expected.is_empty() && !ours.contains_key(&(table.clone(), chain.clone())))
        {
            continue;
        }
        let mut found = ours
            .get(&(table.clone(), chain.clone()))
            .cloned()
            .unwrap_or_default();
        // The sticky service's DNAT carries the module that the lab's rules leave out.
        found.retain(|rule| {
            !(chain.starts_with("KUBE-SEP-")
                && rule.contains("web-sticky")
                && rule.contains("DNAT"))
        });
        if chain == "KUBE-SERVICES" {
            // kube-proxy's order of services is that of a Go map; only the last rule has its place.
            assert_eq!(found.last(), expected.last(), "{table} {chain}");
            expected.sort();
            found.sort();
        }
        compared += expected.len();
        assert_eq!(found, expected, "{table} {chain}");
    }
    assert!(compared > 60, "only {compared} rules compared");
}

#[test]
fn no_chain_is_not_kube_proxys() {
    let dumped: BTreeSet<_> = rules(DUMP).into_keys().collect();
    for key in rules(&payload(&services(), POD_NETWORK).unwrap()).into_keys() {
        assert!(dumped.contains(&key), "{key:?} is not in the dump");
    }
}

#[test]
fn every_chain_name_of_the_dump_is_derived() {
    let derived: BTreeSet<String> = services()
        .iter()
        .filter(|service| !service.endpoints.is_empty())
        .flat_map(|service| {
            let endpoints = service
                .endpoints
                .iter()
                .map(|endpoint| endpoint_chain(service, *endpoint));
            endpoints
                .chain([service_chain(service)])
                .collect::<Vec<_>>()
        })
        .collect();
    let dumped: BTreeSet<String> = rules(DUMP)
        .into_keys()
        .map(|(_, chain)| chain)
        .filter(|chain| chain.starts_with("KUBE-SVC-") || chain.starts_with("KUBE-SEP-"))
        .collect();
    assert_eq!(derived, dumped);
    assert_eq!(derived.len(), 15);
}

#[test]
fn three_endpoints_share_evenly() {
    let endpoints = ["10.201.1.11:80", "10.201.1.12:80", "10.201.1.13:80"];
    let service = service("web", "", Protocol::Tcp, "10.97.10.60:80", &endpoints);
    let text = payload(std::slice::from_ref(&service), POD_NETWORK).unwrap();
    let probabilities: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split("--probability ").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(probabilities, ["0.3333333333", "0.5000000000"]);
}

#[test]
fn what_would_break_the_rules_is_refused() {
    let good = service(
        "web",
        "",
        Protocol::Tcp,
        "10.97.10.60:80",
        &["10.201.1.11:80"],
    );
    let mut line_break = good.clone();
    line_break.name = "web\n-A INPUT -j DROP".into();
    let mut twice = good.clone();
    twice.endpoints.push(twice.endpoints[0]);
    for (services, reason) in [
        (vec![line_break], "is not a DNS label"),
        (vec![twice], "twice"),
        (vec![good.clone(), good], "is given twice"),
    ] {
        let error = payload(&services, POD_NETWORK).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
