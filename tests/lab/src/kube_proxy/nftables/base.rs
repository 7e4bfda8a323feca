//! The chains that do not depend on services.

use super::chain::push_chain;
use crate::kube_proxy::family::Family;
use crate::kube_proxy::network::Networks;
use crate::kube_proxy::text::push;

/// The chains at hooks: name, declaration with priorities as nft prints them, and rules.
const HOOKS: [(&str, &str, &[&str]); 8] = [
    (
        "filter-prerouting-pre-dnat",
        "type filter hook prerouting priority dstnat - 10; policy accept;",
        &["ct state new jump firewall-check"],
    ),
    (
        "filter-output-pre-dnat",
        "type filter hook output priority -110; policy accept;",
        &["ct state new jump firewall-check"],
    ),
    (
        "filter-input",
        "type filter hook input priority filter; policy accept;",
        &[
            "ct state new jump nodeport-endpoints-check",
            "ct state new jump service-endpoints-check",
        ],
    ),
    (
        "filter-forward",
        "type filter hook forward priority filter; policy accept;",
        &[
            "ct state new jump service-endpoints-check",
            "ct state new jump cluster-ips-check",
        ],
    ),
    (
        "filter-output",
        "type filter hook output priority filter; policy accept;",
        &[
            "ct state new jump service-endpoints-check",
            "ct state new jump cluster-ips-check",
        ],
    ),
    (
        "nat-prerouting",
        "type nat hook prerouting priority dstnat; policy accept;",
        &["jump services"],
    ),
    (
        "nat-output",
        "type nat hook output priority -100; policy accept;",
        &["jump services"],
    ),
    (
        "nat-postrouting",
        "type nat hook postrouting priority srcnat; policy accept;",
        &["jump masquerading"],
    ),
];

pub(super) fn push_chains(text: &mut String, family: Family, networks: &Networks) {
    for (name, hook, rules) in HOOKS {
        push_chain(text, name, std::iter::once(&hook).chain(rules));
    }
    let (ip, loopback) = match family {
        Family::V4 => ("ip", "127.0.0.0/8"),
        Family::V6 => ("ip6", "::1"),
    };
    let portal = format!("{ip} daddr . meta l4proto . th dport");
    push_chain(
        text,
        "nodeport-endpoints-check",
        [format!(
            "{ip} daddr != {loopback} meta l4proto . th dport vmap @no-endpoint-nodeports"
        )],
    );
    push_chain(
        text,
        "service-endpoints-check",
        [format!("{portal} vmap @no-endpoint-services")],
    );
    push_chain(
        text,
        "firewall-check",
        [format!("{portal} vmap @firewall-ips")],
    );
    push_chain(
        text,
        "services",
        [
            masquerade_to_cluster_ips(ip, networks),
            format!("{portal} vmap @service-ips"),
            format!(
                "fib daddr type local {ip} daddr != {loopback} meta l4proto . th dport vmap @service-nodeports"
            ),
        ],
    );
    push_chain(
        text,
        "masquerading",
        [
            "meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade fully-random".to_owned(),
            format!(
                "ct status dnat {ip} saddr . {ip} daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random"
            ),
        ],
    );
    push_chain(
        text,
        "cluster-ips-check",
        [
            format!(
                "{ip} daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\""
            ),
            format!(
                "{ip} daddr {} drop comment \"Drop traffic to unallocated ClusterIPs\"",
                networks.services
            ),
        ],
    );
    push_reject_chain(text);
}

fn masquerade_to_cluster_ips(ip: &str, networks: &Networks) -> String {
    let (source, traffic) = match networks.masquerade_all {
        true => (String::new(), "all clusterIP traffic"),
        false => (
            format!("{ip} saddr != {} ", networks.pods),
            "clusterIP traffic from outside cluster",
        ),
    };
    format!(
        "{ip} daddr @cluster-ips {source}meta mark set meta mark | 0x00004000 comment \"masquerade {traffic}\""
    )
}

fn push_reject_chain(text: &mut String) {
    push(text, format_args!("\tchain reject-chain {{"));
    push(
        text,
        format_args!("\t\tcomment \"helper for @no-endpoint-services / @no-endpoint-nodeports\""),
    );
    push(text, format_args!("\t\treject"));
    push(text, format_args!("\t}}"));
}
