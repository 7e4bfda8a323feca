//! Compares the generated rules of iptables mode with those of a real kube-proxy for the same
//! services, in testdata. Needs no privilege.
//!
//! The nfacct matches are removed from the dump's rules first, see `hopspan_lab::kube_proxy`.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

mod dump;
mod iptables_text;

use std::collections::BTreeSet;

use dump::{networks, service, services};
use hopspan_lab::kube_proxy::{
    CROWD_ENDPOINTS, Family, Service, TrafficPolicy, crowd, endpoint_chain, external_chain,
    iptables, local_chain, service_chain,
};
use iptables_text::{Rules, rules};

const DUMP: &str = include_str!("../testdata/kube-proxy-iptables-save.txt");

fn generated(services: &[Service]) -> Rules {
    rules(&iptables(services, Family::V4, &networks()).unwrap())
}

/// The rule as kube-proxy writes it on a machine without nfacct(8). `None` for a rule that only
/// counts.
fn without_nfacct(rule: &str) -> Option<String> {
    let counts_only = rule.contains("localhost_nps_accepted_pkts");
    (!counts_only).then(|| {
        rule.replace(
            " -m nfacct --nfacct-name  ct_state_invalid_dropped_pkts",
            "",
        )
    })
}

#[test]
fn every_rule_equals_kube_proxys() {
    let ours = generated(&services());
    let dumped = rules(DUMP);
    let mut compared = 0;
    for (key, rules) in &dumped {
        let mut expected: Vec<String> = rules
            .iter()
            .filter_map(|rule| without_nfacct(rule))
            .collect();
        let mut found = ours.get(key).cloned().unwrap_or_default();
        if key.1 == "KUBE-SERVICES" || key.1 == "KUBE-NODEPORTS" {
            // kube-proxy's order of services is that of a Go map; only the jump to the node ports
            // has a fixed place.
            let is_last = |rules: &[String]| {
                let jump = |rule: &String| rule.ends_with("-j KUBE-NODEPORTS");
                rules
                    .iter()
                    .position(jump)
                    .map(|index| index + 1 == rules.len())
            };
            assert_eq!(is_last(&found), is_last(&expected), "{key:?}");
            expected.sort();
            found.sort();
        }
        compared += expected.len();
        assert_eq!(found, expected, "{key:?}");
    }
    assert_eq!(compared, 80, "the dump was read in part");
}

#[test]
fn every_chain_is_in_the_dump() {
    let dumped: BTreeSet<_> = rules(DUMP).into_keys().collect();
    for key in generated(&services()).into_keys() {
        assert!(dumped.contains(&key), "{key:?} is not in the dump");
    }
}

#[test]
fn every_chain_name_of_the_dump_is_derived() {
    let derived: BTreeSet<String> = services()
        .iter()
        .filter(|service| !service.endpoints.is_empty())
        .flat_map(|service| {
            let endpoints = service.endpoints.iter();
            let mut chains: Vec<String> = endpoints
                .map(|endpoint| endpoint_chain(service, *endpoint))
                .collect();
            chains.push(service_chain(service));
            if service.node_port.is_some() {
                chains.push(external_chain(service));
            }
            if service.external_traffic_policy == TrafficPolicy::Local {
                chains.push(local_chain(service));
            }
            chains
        })
        .collect();
    let dumped: BTreeSet<String> = rules(DUMP)
        .into_keys()
        .map(|(_, chain)| chain)
        .filter(|chain| {
            ["SVC", "SVL", "EXT", "SEP"]
                .iter()
                .any(|kind| chain.starts_with(&format!("KUBE-{kind}-")))
        })
        .collect();
    assert_eq!(derived, dumped);
    assert_eq!(derived.len(), 18);
}

#[test]
fn three_endpoints_share_evenly() {
    let endpoints = ["10.201.1.11:80", "10.201.1.12:80", "10.201.1.13:80"];
    let service = service("web", "10.97.10.60:80", &endpoints);
    let text = iptables(std::slice::from_ref(&service), Family::V4, &networks()).unwrap();
    let probabilities: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split("--probability ").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(probabilities, ["0.3333333333", "0.5000000000"]);
}

#[test]
fn policy_local_without_local_endpoints_drops() {
    let far = Service {
        internal_traffic_policy: TrafficPolicy::Local,
        external_traffic_policy: TrafficPolicy::Local,
        node_port: Some(30082),
        ..service("far", "10.97.10.60:80", &["10.201.2.11:80"])
    };
    let rules = generated(std::slice::from_ref(&far));
    let chain = |table: &str, chain: &str| rules.get(&(table.into(), chain.into())).cloned();
    let drops = |chain_name: &str, portal: &str| {
        let rule = format!("{portal} -j DROP");
        let found = chain("filter", chain_name).unwrap();
        assert!(found.contains(&rule), "{rule} not in {found:#?}");
    };
    drops(
        "KUBE-SERVICES",
        "-d 10.97.10.60/32 -p tcp -m comment --comment \"default/far has no local endpoints\" -m tcp --dport 80",
    );
    drops(
        "KUBE-EXTERNAL-SERVICES",
        "-p tcp -m comment --comment \"default/far has no local endpoints\" -m addrtype --dst-type LOCAL -m tcp --dport 30082",
    );
    // Pods and the node still reach it by the node port.
    assert_eq!(chain("nat", &external_chain(&far)).unwrap().len(), 3);
    assert!(chain("nat", &service_chain(&far)).is_some());
    assert!(chain("nat", &local_chain(&far)).is_none());
}

#[test]
fn services_that_would_break_the_rules_are_refused() {
    let good = service("web", "10.97.10.60:80", &["10.201.1.11:80"]);
    let mut line_break = good.clone();
    line_break.name = "web\n-A INPUT -j DROP".into();
    let mut twice = good.clone();
    twice.endpoints.push(twice.endpoints[0]);
    let mut mixed = good.clone();
    mixed.endpoints.push("[fd00::1]:80".parse().unwrap());
    for (services, reason) in [
        (vec![line_break], "is not a DNS label"),
        (vec![twice], "twice"),
        (vec![mixed], "mixes address families"),
        (vec![good.clone(), good], "is given twice"),
    ] {
        let error = iptables(&services, Family::V4, &networks()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn services_of_a_crowd_have_different_addresses() {
    let services = crowd(5_000).unwrap();
    let rules = generated(&services);
    let portals = &rules[&("nat".to_owned(), "KUBE-SERVICES".to_owned())];
    let addresses: BTreeSet<&str> = portals
        .iter()
        .filter_map(|rule| rule.strip_prefix("-d ")?.split(' ').next())
        .collect();
    assert_eq!(addresses.len(), 5_000);
    for service in services {
        let chain = ("nat".to_owned(), service_chain(&service));
        // A rule that masquerades, and a jump to each endpoint.
        assert_eq!(rules[&chain].len(), 1 + CROWD_ENDPOINTS, "{chain:?}");
    }
    assert!(crowd(32_768).is_ok() && crowd(32_769).is_err());
}
