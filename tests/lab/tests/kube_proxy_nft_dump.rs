//! Compares the generated tables of nftables mode with those of a real kube-proxy for the same
//! services, in testdata. Needs no privilege.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

#[allow(dead_code)] // Each test binary uses a part of it.
mod dump;
mod nft_text;

use std::time::Duration;

use dump::{networks, services};
use hopspan_lab::kube_proxy::{Family, Networks, Service, nftables};
use nft_text::table;

const DUMP: &str = include_str!("../testdata/kube-proxy-nft-list-ruleset.txt");

#[test]
fn every_object_equals_kube_proxys() {
    let ours = nftables(&services(), Family::V4, &networks()).unwrap();
    let (ours, dumped) = (table(&ours, "ip kube-proxy"), table(DUMP, "ip kube-proxy"));
    assert_eq!(dumped.len(), 34, "the dump was read in part");
    for (name, lines) in &dumped {
        assert_eq!(ours.get(name), Some(lines), "{name}");
    }
    for name in ours.keys() {
        assert!(dumped.contains_key(name), "{name} is not in the dump");
    }
}

/// The dump's kube-proxy had no IPv6 networks, so its table lacks the two rules that need them.
#[test]
fn ipv6_differs_in_keywords_only() {
    let networks = Networks {
        pods: "fd00:10:244::/48".parse().unwrap(),
        node_pods: "fd00:10:244:1::/64".parse().unwrap(),
        node: "fd00:172:18::2".parse().unwrap(),
        services: "fd00:10:96::/112".parse().unwrap(),
        masquerade_all: false,
    };
    let ours = nftables(&services(), Family::V6, &networks).unwrap();
    let dumped = table(DUMP, "ip6 kube-proxy");
    let ours = table(&ours, "ip6 kube-proxy");
    assert_eq!(ours.len(), dumped.len());
    for (name, mut lines) in ours {
        lines.retain(|line| !line.contains("fd00:"));
        assert_eq!(dumped.get(&name), Some(&lines), "{name}");
    }
}

#[test]
fn ipv6_endpoints_have_names_without_colons() {
    let networks = networks();
    let sticky = Service {
        endpoints: vec!["[fd00:10:244:1::2]:8080".parse().unwrap()],
        session_affinity: Some(Duration::from_secs(3 * 3600)),
        ..Service::new("default", "web", "[fd00:10:96::10]:80".parse().unwrap())
    };
    let text = nftables(&[sticky], Family::V6, &networks).unwrap();
    let table = table(&text, "ip6 kube-proxy");
    let chain = table
        .iter()
        .find(|(name, _)| name.starts_with("chain endpoint-"))
        .unwrap();
    assert!(
        chain
            .0
            .ends_with("-default/web/tcp/__fd00.10.244.1..2/8080"),
        "{chain:?}"
    );
    assert!(
        chain.1[1].ends_with("dnat to [fd00:10:244:1::2]:8080"),
        "{chain:?}"
    );
    let set = table
        .iter()
        .find(|(name, _)| name.starts_with("set affinity-"))
        .unwrap();
    assert!(set.1.contains(&"timeout 3h".to_owned()), "{set:?}");
}
