//! Each form in which kube-proxy writes its rules, for both address families.

use std::{fs, net::SocketAddr};

use tracer_pipeline::kube_proxy::{
    Answer, Client, Decision, Family, Findings, PortalKind, Protocol, Reason, Rules, Source,
    Translation,
};
use tracer_user::rules::{Anyway, Mode, Reader};

use super::{
    dumps, ipv6,
    namespace::{self, no_legacy},
    recording,
};

const NFT: (&str, &str) = ("nft", "nftables");
const LEGACY: (&str, &str) = ("iptables-legacy-restore", "iptables");

/// The rules as a new reader reads them.
fn read() -> (Rules, Vec<Mode>) {
    let mut reader = Reader::default();
    reader.read(Anyway::default()).unwrap();
    let (rules, findings) = reader.rules();
    assert_eq!(findings, Findings::default());
    (rules, reader.modes())
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Where a TCP connection of `client` to `destination` was sent to `endpoint`.
fn translation(client: &str, destination: &str, endpoint: &str) -> Translation {
    Translation {
        client: Client {
            ip: client.parse().unwrap(),
            on_node: Some(false),
        },
        destination: address(destination),
        protocol: Protocol::Tcp,
        endpoint: address(endpoint),
    }
}

fn marked(decision: &Decision, translation: &Translation) -> Option<Source> {
    decision.marked(&translation.client, translation.endpoint.ip(), false)
}

#[test]
fn an_empty_namespace_has_no_rules_and_stays_empty() {
    if hopspan_lab::skip("an_empty_namespace_has_no_rules_and_stays_empty") {
        return;
    }
    namespace::within(|| {
        let (rules, modes) = read();
        assert!(rules.is_empty() && modes.is_empty());
        for names in ["ip_tables_names", "ip6_tables_names"] {
            let path = format!("/proc/thread-self/net/{names}");
            let names = fs::read_to_string(path).unwrap_or_default();
            assert_eq!(names, "", "reading has registered a table");
        }
    });
}

#[test]
fn iptables_on_nf_tables() {
    if hopspan_lab::skip("iptables_on_nf_tables") {
        return;
    }
    namespace::within(|| {
        let text = dumps::iptables();
        namespace::run("iptables-nft-restore", &[], &text).unwrap();
        recording::nf_tables("iptables-nft.messages");
        let (rules, modes) = read();
        assert_eq!(modes, [Mode::IptablesNft]);
        assert_eq!(rules, dumps::rules("iptables-save"));
        assert_eq!((rules.len(), rules.refusal_count()), (18, 2));

        let text6 = dumps::ip6tables();
        namespace::run("ip6tables-nft-restore", &[], &text6).unwrap();
        let mut both = dumps::rules("iptables-save");
        both.extend(dumps::rules("ip6tables-save"));
        // The same node ports lead to the endpoints of both families.
        assert_eq!((both.len(), both.refusal_count()), (36, 4));
        assert_eq!(read().0, both);
    });
}

#[test]
fn iptables_on_its_legacy_back_end() {
    if hopspan_lab::skip_without("iptables_on_its_legacy_back_end", &[LEGACY]) {
        return;
    }
    namespace::within(|| {
        let text = dumps::iptables();
        if let Err(error) = namespace::run("iptables-legacy-restore", &[], &text) {
            // A kernel may have nf_tables only: that is no failure of the agent.
            hopspan_lab::print_skip("iptables_on_its_legacy_back_end", &no_legacy(&error));
            return;
        }
        recording::legacy(false, "nat", "iptables-legacy-nat.entries");
        recording::legacy(false, "filter", "iptables-legacy-filter.entries");
        let (rules, modes) = read();
        assert_eq!(modes, [Mode::IptablesLegacy]);
        assert_eq!(rules, dumps::rules("iptables-save"));

        let text6 = dumps::ip6tables();
        namespace::run("ip6tables-legacy-restore", &[], &text6).unwrap();
        recording::legacy(true, "nat", "ip6tables-legacy-nat.entries");
        let mut both = dumps::rules("iptables-save");
        both.extend(dumps::rules("ip6tables-save"));
        assert_eq!(read().0, both);
    });
}

#[test]
fn nftables_mode() {
    if hopspan_lab::skip_without("nftables_mode", &[NFT]) {
        return;
    }
    namespace::within(|| {
        let text = dumps::nftables();
        namespace::run("nft", &["-f", "-"], &text).unwrap();
        recording::nf_tables("nftables.messages");
        let (rules, modes) = read();
        assert_eq!(modes, [Mode::Nftables]);
        assert_eq!((rules.len(), rules.refusal_count()), (18, 2));
        assert_nftables_decisions(&rules);

        namespace::run("nft", &["delete", "table", "ip6", "kube-proxy"], "").unwrap();
        namespace::run("nft", &["-f", "-"], &ipv6::of_nftables(&text)).unwrap();
        recording::nf_tables("nftables-both.messages");
        let both = read().0;
        assert_eq!((both.len(), both.refusal_count()), (36, 4));
        assert_nftables_decisions(&both);
        let translation = translation(
            "fd00::10.201.1.12",
            "[fd00::10.97.10.30]:80",
            "[fd00::10.201.1.12]:8080",
        );
        let decision = both.decision(&translation).unwrap();
        assert_eq!(&*decision.service, "default/web-sticky");
        assert!(decision.session_affinity);
        assert_eq!(marked(decision, &translation), Some(Source::Endpoint));
    });
}

/// Rules of older versions, which the dump does not have: a jump that marks, a chain for each
/// endpoint, addresses of node ports, a load balancer's firewall, portals whose packets are
/// dropped.
#[test]
fn nftables_mode_of_kubernetes_1_30() {
    if hopspan_lab::skip_without("nftables_mode_of_kubernetes_1_30", &[NFT]) {
        return;
    }
    namespace::within(|| {
        let text = fs::read_to_string(dumps::path("nftables-1.30.txt")).unwrap();
        namespace::run("nft", &["-f", "-"], &text).unwrap();
        recording::nf_tables("nftables-1.30.messages");
        let (rules, modes) = read();
        assert_eq!(modes, [Mode::Nftables]);
        assert_eq!((rules.len(), rules.refusal_count()), (4, 4));
        let outside = translation("172.16.0.1", "10.96.0.1:80", "10.1.0.1:80");
        let decision = rules.decision(&outside).unwrap();
        assert_eq!(&*decision.service, "a/sticky:p80");
        assert!(decision.session_affinity);
        let reason = marked(decision, &outside);
        assert!(matches!(reason, Some(Source::Outside(_))), "{reason:?}");
        let firewall = rules.refusal(address("10.250.0.9:80"), Protocol::Tcp);
        let firewall = firewall.map(|refusal| (refusal.answer, refusal.reason));
        assert_eq!(firewall, Some((Answer::Drop, Reason::SourceNotAllowed)));
    });
}

fn assert_nftables_decisions(rules: &Rules) {
    let pod = "10.201.1.99";
    let endpoint = "10.201.1.11:8080";
    let in_cluster = translation(pod, "10.97.10.10:80", endpoint);
    let decision = rules.decision(&in_cluster).unwrap();
    assert_eq!(&*decision.service, "default/web-manual:http");
    assert_eq!(
        decision.chain_path(),
        "services > service-4SMPS4ZD-default/web-manual/tcp/http"
    );
    assert_eq!(decision.portal, PortalKind::ClusterIp);
    assert_eq!(marked(decision, &in_cluster), None);
    // From another node, and from itself.
    let outside = translation("192.168.7.9", "10.97.10.10:80", endpoint);
    let reason = marked(rules.decision(&outside).unwrap(), &outside);
    assert!(matches!(reason, Some(Source::Outside(_))), "{reason:?}");
    let hairpin = translation("10.201.1.11", "10.97.10.10:80", endpoint);
    assert_eq!(
        marked(rules.decision(&hairpin).unwrap(), &hairpin),
        Some(Source::Endpoint)
    );

    let node_port = translation("203.0.113.5", "192.168.7.1:30080", endpoint);
    let decision = rules.decision(&node_port).unwrap();
    assert_eq!(decision.portal, PortalKind::NodePort);
    assert_eq!(marked(decision, &node_port), Some(Source::Any));

    // External traffic policy Local: the chain depends on the client.
    for (client, chain, is_local) in [(pod, "service-", false), ("203.0.113.5", "local-", true)] {
        let external = translation(client, "10.250.0.2:80", endpoint);
        let decision = rules.decision(&external).unwrap();
        assert_eq!(&*decision.service, "default/web-lb");
        assert!(
            decision.chains.last().unwrap().starts_with(chain),
            "{decision:?}"
        );
        assert_eq!(decision.local_endpoints_only, is_local);
        assert_eq!(marked(decision, &external), None);
    }

    let sticky = translation(pod, "10.97.10.30:80", "10.201.1.12:8080");
    let decision = rules.decision(&sticky).unwrap();
    assert!(decision.session_affinity);
    assert_eq!(decision.chains.len(), 3, "{decision:?}");

    let refusal = rules
        .refusal(address("10.97.10.40:80"), Protocol::Tcp)
        .unwrap();
    assert_eq!(&*refusal.service, "default/web-empty");
    assert_eq!(
        (refusal.answer, refusal.reason),
        (Answer::Reject, Reason::NoEndpoints)
    );
}

/// The recorded entries of the legacy back end have the same rules as the dump.
#[test]
fn recorded_entries_have_the_rules_of_the_dump() {
    let read = |table: &str, family, name: &str| {
        let entries = fs::read(dumps::path(name)).unwrap();
        Rules::from_ip_tables(table, family, &entries)
    };
    let (mut rules, findings) = read("nat", Family::V4, "iptables-legacy-nat.entries");
    assert_eq!(findings, Findings::default());
    rules.extend(read("filter", Family::V4, "iptables-legacy-filter.entries").0);
    assert_eq!(rules, dumps::rules("iptables-save"));
}
