//! Decisions by client, refusals, and the round trip of rules through facts.

use super::super::*;
use super::listing::refusals;
use super::{DUMP, IPV6, address, table, translation};

#[test]
fn the_path_depends_on_the_client() {
    let (rules, _) = Rules::from_iptables_save(DUMP);
    let check = |client: &str, on_node, expected: &str, marked: &str| {
        let translation = Translation {
            client: Client {
                ip: client.parse().expect("an address"),
                on_node,
            },
            ..translation("10.250.0.2:80", Protocol::Tcp, "10.201.1.11:8080")
        };
        let decision = rules.decision(&translation).expect("a decision");
        let chains = decision.chain_path().replace("KUBE-", "");
        assert!(chains.contains(expected), "{chains}");
        assert_eq!(decision.portal, PortalKind::LoadBalancerIp);
        assert_eq!(decision.local_endpoints_only, expected == "SVL-");
        let reason = decision.marked(&translation.client, translation.endpoint.ip(), false);
        assert_eq!(
            reason
                .map(|source| source.to_string())
                .as_deref()
                .unwrap_or("no"),
            marked
        );
    };
    check("10.201.1.12", Some(false), "SVC-", "no");
    check("10.201.1.11", Some(false), "SVC-", "source is the endpoint");
    check("192.168.7.9", Some(true), "SVC-", "source is the node");
    check("203.0.113.5", Some(false), "SVL-", "no");
    check("203.0.113.5", None, "SVL-", "no");
}

/// A condition on the interface is decided by whether conntrack shows a replaced source.
#[test]
fn a_mark_that_an_address_cannot_decide() {
    let (rules, _) = Rules::from_iptables_save(&table(
        "\
        -A KUBE-SERVICES -d 10.0.0.1/32 -p tcp --comment \"a/b cluster IP\" --dport 80 -j KUBE-SVC-A\n\
        -A KUBE-SVC-A ! -i cbr0 -d 10.0.0.1/32 -p tcp --dport 80 -j KUBE-MARK-MASQ\n\
        -A KUBE-SVC-A -j KUBE-SEP-A\n\
        -A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.1.0.1:80",
    ));
    let translation = translation("10.0.0.1:80", Protocol::Tcp, "10.1.0.1:80");
    let decision = rules.decision(&translation).expect("a decision");
    let marked =
        |replaced| decision.marked(&translation.client, translation.endpoint.ip(), replaced);
    assert_eq!(marked(true), Some(Source::OtherInterface));
    assert_eq!(marked(false), None);
}

#[test]
fn an_address_has_its_service_without_an_endpoint() {
    let (mut rules, _) = Rules::from_iptables_save(DUMP);
    let (others, _) = Rules::from_iptables_save(&table(
        "\
        -A KUBE-SERVICES -d 10.0.0.1/32 -p tcp --comment \"a/b cluster IP\" --dport 80 -j KUBE-SVC-A\n\
        -A KUBE-SVC-A -j KUBE-SEP-A\n\
        -A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.1.0.1:80",
    ));
    rules.extend(others);
    for (at, expected) in [
        ("10.97.10.10:80", Some("default/web-manual:http")),
        ("[::ffff:10.97.10.10]:80", Some("default/web-manual:http")),
        ("10.0.0.1:80", Some("a/b")),
        ("10.97.10.10:81", None),
        // An endpoint, and a node port.
        ("10.201.1.12:8080", None),
        ("192.168.7.9:30080", None),
    ] {
        let service = rules.service(address(at), Protocol::Tcp);
        assert_eq!(service.map(AsRef::as_ref), expected, "{at}");
    }
}

/// Portals of the filter table: no endpoints, none on this node, and a load balancer's firewall.
#[test]
fn refused_portals() {
    let (rules, findings) = Rules::from_iptables_save(
        "*filter\n:KUBE-FW-A - [0:0]\n\
        -A KUBE-SERVICES -d 10.0.0.1/32 -p tcp -m comment --comment \"a/b:c has no endpoints\" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable\n\
        -A KUBE-EXTERNAL-SERVICES -m addrtype --dst-type LOCAL -p tcp -m comment --comment \"a/b:c has no local endpoints\" -m tcp --dport 30000 -j DROP\n\
        -A KUBE-PROXY-FIREWALL -d 10.0.0.2/32 -p tcp -m comment --comment \"a/b:c loadbalancer IP\" -m tcp --dport 80 -j KUBE-FW-A\n\
        -A KUBE-FW-A -s 10.7.0.0/16 -m comment --comment \"a/b:c loadbalancer IP\" -j RETURN\n\
        -A KUBE-FW-A -m comment --comment \"other traffic to a/b:c will be dropped by KUBE-PROXY-FIREWALL\" -j DROP\n\
        -A KUBE-NODEPORTS -p tcp -m comment --comment \"a/b:c health check node port\" -m tcp --dport 31934 -j ACCEPT\n\
        COMMIT\n",
    );
    assert_eq!(findings, Findings::default());
    assert_eq!(
        refusals(&rules),
        [
            "10.0.0.1:80/tcp -| a/b:c | SERVICES | Reject: no endpoints",
            "10.0.0.2:80/tcp -| a/b:c | PROXY-FIREWALL > FW-A | Drop: source not allowed",
            "*:30000/tcp -| a/b:c | EXTERNAL-SERVICES | Drop: no local endpoints",
        ]
    );
    let refusal = rules.refusal(address("192.168.7.9:30000"), Protocol::Tcp);
    assert_eq!(refusal.map(|refusal| refusal.answer), Some(Answer::Drop));
    assert_eq!(rules.refusal(address("10.0.0.1:80"), Protocol::Udp), None);
}

#[test]
fn rules_survive_json() {
    for text in [DUMP.to_owned(), table(IPV6), String::new()] {
        let (rules, _) = Rules::from_iptables_save(&text);
        let json = rules.to_json();
        let read = Rules::from_json(&json).expect("JSON of these rules");
        assert_eq!(read, rules);
        assert_eq!(read.to_json(), json);
    }
    for (bad, error) in [
        ("{}", "JSON"),
        ("", "JSON"),
        (
            r#"{"names":[],"paths":[],"refusals":[{"at":{"NodePort":[1,"tcp"]},"service":0,"chains":[],"answer":"Drop","reason":"NoEndpoints"}]}"#,
            "name 0",
        ),
    ] {
        let message = Rules::from_json(bad).expect_err("bad JSON").to_string();
        assert!(message.contains(error), "{message}");
    }
}
