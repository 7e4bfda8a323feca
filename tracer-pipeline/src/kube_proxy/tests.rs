//! Decisions from the rules of a real dump and of small tables.

mod decisions;
pub(super) mod listing;

use proptest::prelude::*;

use super::*;
use listing::{check_paths, listing};

/// iptables-save of a real kube-proxy's rules.
pub(super) const DUMP: &str = include_str!("../../tests/fixtures/kube-proxy/iptables-save.txt");

/// The dump without its nfacct rules, which the recordings of the other forms lack.
pub(super) fn dump_without_nfacct() -> String {
    let lines = DUMP.split_inclusive('\n');
    lines.filter(|line| !line.contains("-m nfacct")).collect()
}

/// A nat table with the rules of one service.
fn table(rules: &str) -> String {
    let chains = "SERVICES NODEPORTS MARK-MASQ EXT-A SVC-A SVL-A SEP-A SEP-B".split(' ');
    let declared: String = chains
        .map(|chain| format!(":KUBE-{chain} - [0:0]\n"))
        .collect();
    format!("*nat\n{declared}{rules}\nCOMMIT\n")
}

fn check(text: &str, expected: &str) {
    let (rules, findings) = Rules::from_iptables_save(text);
    assert_eq!(findings, Findings::default());
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(listing(&rules), expected);
}

fn check_findings(text: &str, expected: &[(usize, Problem)]) -> Rules {
    let (rules, findings) = Rules::from_iptables_save(text);
    let seen: Vec<_> = findings
        .kept()
        .iter()
        .map(|finding| (finding.position, finding.problem))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(line, problem)| (Position::Line(*line), *problem))
        .collect();
    assert_eq!(seen, expected);
    rules
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A translation of a pod's connection.
fn translation(destination: &str, protocol: Protocol, endpoint: &str) -> Translation {
    Translation {
        client: Client {
            ip: "10.201.1.99".parse().expect("an address"),
            on_node: None,
        },
        destination: address(destination),
        protocol,
        endpoint: address(endpoint),
    }
}

#[test]
fn every_path_of_a_real_dump() {
    let (rules, findings) = Rules::from_iptables_save(DUMP);
    assert_eq!(findings, Findings::default());
    check_paths(&rules, "iptables.paths");
}

#[test]
fn a_decision_is_found_by_what_conntrack_shows() {
    let (rules, _) = Rules::from_iptables_save(DUMP);
    assert!(!rules.is_empty());
    assert_eq!(rules.len(), 18);
    let find =
        |original, protocol, chosen| rules.decision(&translation(original, protocol, chosen));
    let decision = find("10.97.10.10:80", Protocol::Tcp, "10.201.1.11:8080").expect("a decision");
    assert_eq!(&*decision.service, "default/web-manual:http");
    assert_eq!(
        decision.chain_path(),
        "KUBE-SERVICES > KUBE-SVC-YWXZ7KE6FIWC4EK7 > KUBE-SEP-2C2MYH6B4N5KYGEB"
    );
    let mapped = find(
        "[::ffff:10.97.10.10]:80",
        Protocol::Tcp,
        "[::ffff:10.201.1.11]:8080",
    );
    assert_eq!(mapped, Some(decision));
    for node_address in ["127.0.0.1:30080", "192.168.7.9:30080"] {
        let decision = find(node_address, Protocol::Tcp, "10.201.1.12:8080").expect("a decision");
        assert_eq!(&*decision.service, "default/web-sel:http");
    }
    assert_eq!(
        find("10.97.10.10:80", Protocol::Udp, "10.201.1.11:8080"),
        None,
        "other protocol"
    );
    assert_eq!(
        find("10.97.10.10:53", Protocol::Tcp, "10.201.1.11:8080"),
        None,
        "other port"
    );
    assert_eq!(
        find("10.97.10.10:80", Protocol::Tcp, "10.201.1.13:8080"),
        None,
        "not an endpoint"
    );
    assert_eq!(
        find("10.97.10.40:80", Protocol::Tcp, "10.201.1.11:8080"),
        None,
        "no endpoints"
    );
    assert_eq!(
        find("10.201.1.11:8080", Protocol::Tcp, "10.201.1.11:8080"),
        None,
        "not translated"
    );
}

#[test]
fn no_rules_are_empty() {
    for text in [
        "",
        "*nat\nCOMMIT\n",
        "*mangle\n-A KUBE-SERVICES -j KUBE-SVC-A\nCOMMIT\n",
        &table(""),
    ] {
        let (rules, findings) = Rules::from_iptables_save(text);
        assert!(rules.is_empty() && findings.total() == 0, "{text}");
    }
    let no_endpoints = table(
        "-A KUBE-SERVICES -d 10.0.0.1/32 -p tcp -m comment --comment \"a/b cluster IP\" -m tcp --dport 80 -j KUBE-SVC-A",
    );
    assert!(check_findings(&no_endpoints, &[]).is_empty());
}

/// Without a pod network (`--detect-local-mode` none) an external policy of Local sends pods to
/// local endpoints only, and the node's own connections to all.
#[test]
fn local_policy_without_a_pod_network() {
    check(&table("\
        -A KUBE-SERVICES -d 10.250.0.1/32 -p tcp --comment \"a/b external IP\" --dport 80 -j KUBE-EXT-A\n\
        -A KUBE-EXT-A -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ\n\
        -A KUBE-EXT-A -m addrtype --src-type LOCAL -j KUBE-SVC-A\n\
        -A KUBE-EXT-A -j KUBE-SVL-A\n\
        -A KUBE-SVC-A -j KUBE-SEP-A\n\
        -A KUBE-SVC-A -j KUBE-SEP-B\n\
        -A KUBE-SVL-A -j KUBE-SEP-A\n\
        -A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.1.0.1:80\n\
        -A KUBE-SEP-B -p tcp -j DNAT --to-destination 10.1.0.2:80"),
        "
        10.250.0.1:80/tcp -> 10.1.0.1:80 a/b ExternalIP | SERVICES > EXT-A > SVC-A > SEP-A | source is the node | if source is the node
        10.250.0.1:80/tcp -> 10.1.0.1:80 a/b ExternalIP | SERVICES > EXT-A > SVL-A > SEP-A | never | local
        10.250.0.1:80/tcp -> 10.1.0.2:80 a/b ExternalIP | SERVICES > EXT-A > SVC-A > SEP-B | source is the node | if source is the node
        ",
    );
}

/// kube-proxy before 1.22 marked in `KUBE-SERVICES`, before the jump.
#[test]
fn marks_belong_to_their_destination() {
    check(&table("\
        -A KUBE-SERVICES ! -s 10.1.0.0/16 -d 10.0.0.1/32 -p tcp --comment \"a/b cluster IP\" --dport 80 -j KUBE-MARK-MASQ\n\
        -A KUBE-SERVICES -d 10.0.0.1/32 -p tcp --comment \"a/b cluster IP\" --dport 80 -j KUBE-SVC-A\n\
        -A KUBE-SERVICES -d 10.0.0.2/32 -p tcp --comment \"c/d cluster IP\" --dport 80 -j KUBE-SVL-A\n\
        -A KUBE-SVC-A -j KUBE-SEP-A\n\
        -A KUBE-SVL-A -d 10.0.0.2/32 -j KUBE-MARK-MASQ\n\
        -A KUBE-SVL-A -j KUBE-SEP-B\n\
        -A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.1.0.1:80\n\
        -A KUBE-SEP-B -s 10.1.0.2 -j KUBE-MARK-MASQ\n\
        -A KUBE-SEP-B -p tcp -j DNAT --to-destination 10.1.0.2:80"),
        "
        10.0.0.1:80/tcp -> 10.1.0.1:80 a/b ClusterIP | SERVICES > SVC-A > SEP-A | source outside the pod network
        10.0.0.2:80/tcp -> 10.1.0.2:80 c/d ClusterIP | SERVICES > SVL-A > SEP-B | every connection, source is the endpoint | local
        ",
    );
}

const IPV6: &str = "\
    -A KUBE-SERVICES -d fd00:10:96::1/128 -p sctp -m comment --comment \"a/b:s cluster IP\" -m sctp --dport 80 -j KUBE-SVC-A\n\
    -A KUBE-SERVICES ! -d ::1/128 -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n\
    -A KUBE-NODEPORTS -p sctp -m comment --comment a/b:s -m sctp --dport 30000 -j KUBE-SVC-A\n\
    -A KUBE-SVC-A -m comment --comment \"a/b:s -> [fd00::7]:8080\" -j KUBE-SEP-A\n\
    -A KUBE-SEP-A -p sctp -m comment --comment a/b:s -m sctp -j DNAT --to-destination [fd00::7]:8080";

#[test]
fn ipv6() {
    check(
        &table(IPV6),
        "
        [fd00:10:96::1]:80/sctp -> [fd00::7]:8080 a/b:s ClusterIP | SERVICES > SVC-A > SEP-A | never
        *:30000/sctp -> [fd00::7]:8080 a/b:s NodePort | SERVICES > NODEPORTS > SVC-A > SEP-A | never
        ",
    );
}

#[test]
fn both_families_in_two_texts_or_in_one() {
    let (mut both, _) = Rules::from_iptables_save(DUMP);
    both.extend(Rules::from_iptables_save(&table(IPV6)).0);
    let (one_text, _) = Rules::from_iptables_save(&format!("{DUMP}{}", table(IPV6)));
    assert_eq!(both.len(), 20);
    assert_eq!(listing(&both), listing(&one_text));
}

#[test]
fn jumps_are_bounded() {
    let portal = "-A KUBE-SERVICES -d 10.0.0.1/32 -p tcp --comment a/b --dport 80 -j KUBE-SVC-A";
    let rules = format!(
        "{portal}\n-A KUBE-SVC-A -j KUBE-SEP-A\n-A KUBE-SEP-A -j KUBE-SVC-A\n-A KUBE-SEP-A -j KUBE-NONE"
    );
    check_findings(
        &table(&rules),
        &[(12, Problem::Loop), (13, Problem::MissingChain)],
    );
    let deep: String = (0..9)
        .map(|n| format!("-A KUBE-{n} -j KUBE-{}\n", n + 1))
        .collect();
    let rules = format!("-A KUBE-SERVICES -j KUBE-0\n{deep}-A KUBE-9 -j X");
    check_findings(&table(&rules), &[(17, Problem::TooDeep)]);
    let fan = |n| format!("-A KUBE-{n} -j KUBE-{}\n", n + 1).repeat(30);
    let rules = format!(
        "-A KUBE-SERVICES -j KUBE-0\n{}:KUBE-5 -",
        (0..5).map(fan).collect::<String>()
    );
    let (_, findings) = Rules::from_iptables_save(&table(&rules));
    let problems: Vec<_> = findings
        .kept()
        .iter()
        .map(|finding| finding.problem)
        .collect();
    assert_eq!(problems, [Problem::TooLarge], "24 million paths to nowhere");
}

#[test]
fn a_translation_that_is_not_a_service_is_a_finding() {
    let dnat = "-A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.1.0.1:80";
    let no_port =
        format!("-A KUBE-SERVICES -d 10.0.0.1/32 -p tcp --comment a/b -j KUBE-SEP-A\n{dnat}");
    let no_name =
        format!("-A KUBE-SERVICES -d 10.0.0.1/32 -p tcp --dport 80 -j KUBE-SEP-A\n{dnat}");
    let nowhere = format!("-A KUBE-SERVICES -p tcp --comment a/b --dport 80 -j KUBE-SEP-A\n{dnat}");
    for rules in [no_port, no_name, nowhere] {
        assert!(check_findings(&table(&rules), &[(11, Problem::NoService)]).is_empty());
    }
    let other_protocol = format!(
        "-A KUBE-SERVICES -d 10.0.0.1/32 -p udp --comment a/b --dport 80 -j KUBE-SEP-A\n{dnat}"
    );
    assert!(check_findings(&table(&other_protocol), &[]).is_empty());
}

#[test]
fn findings_are_bounded() {
    let (_, findings) = Rules::from_iptables_save(&table(&"-A KUBE-SVC-A -s x\n".repeat(1000)));
    assert_eq!((findings.kept().len(), findings.total()), (32, 1000));
    assert_eq!(
        findings.kept()[0].to_string(),
        "line 10: address, network or port cannot be read"
    );
}

/// A cut dump has only paths of the complete dump.
#[test]
fn prefixes_of_a_real_dump() {
    let (whole, _) = Rules::from_iptables_save(DUMP);
    for end in (0..DUMP.len()).step_by(7) {
        let (cut, findings) = Rules::from_iptables_save(&DUMP[..end]);
        for (key, paths) in &cut.paths {
            let all = whole.paths.get(key).expect("a pair of the whole dump");
            assert!(
                paths.iter().all(|path| all.contains(path)),
                "up to byte {end}"
            );
        }
        assert!(cut.len() == whole.len() || end < DUMP.len() - 100);
        assert!(
            findings.total() > 0 || cut.is_empty() || cut.len() == whole.len(),
            "up to byte {end}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_does_not_panic(words in proptest::collection::vec(prop::sample::select(vec![
        "*nat\n", "COMMIT\n", "\n", "-A KUBE-SERVICES ", "-A KUBE-SVC-A ", "-j KUBE-SVC-A ", "-j KUBE-SERVICES ", "-j DNAT ", "\"", "! ",
        "--to-destination 1.2.3.4:5 ", "-d 1.2.3.4/31 ", "-s ::/0 ", "--dport 99999 ", "--comment a/b ", "-p tcp ", "\\", "\u{e9}", ":KUBE-SVC-A ",
    ]), 0..200)) {
        let text = format!("*nat\n{}", words.concat());
        let (_, findings) = Rules::from_iptables_save(&text);
        prop_assert!(findings.kept().len() <= findings.total());
    }

    #[test]
    fn changed_and_missing_lines_never_panic(drop in 0usize..137, at in 0usize..12_000, byte in 0u8..128) {
        let lines: String = DUMP.split_inclusive('\n').enumerate().filter(|(n, _)| *n != drop).map(|(_, line)| line).collect();
        let mut bytes = lines.into_bytes();
        if let Some(changed) = bytes.get_mut(at) {
            *changed = byte;
        }
        let text = String::from_utf8_lossy(&bytes);
        let (rules, _) = Rules::from_iptables_save(&text);
        for decision in rules.paths.values().flatten() {
            prop_assert!(decision.chains.len() >= 2 && &*decision.chains[0] == "KUBE-SERVICES");
        }
    }
}

/// The rules of each dump, as tests of other crates expect them. Run with UPDATE_EXPECTED=1 to write
/// them anew.
#[test]
fn the_dumps_have_the_rules_of_their_json_files() {
    for name in ["iptables-save", "ip6tables-save"] {
        let path = format!(
            "{}/tests/fixtures/kube-proxy/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(format!("{path}.txt")).unwrap();
        let lines = text.split_inclusive('\n');
        let text: String = lines.filter(|line| !line.contains("-m nfacct")).collect();
        let (rules, findings) = Rules::from_iptables_save(&text);
        assert_eq!(findings, Findings::default());
        let (json, path) = (rules.to_json() + "\n", format!("{path}.rules.json"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &json).unwrap();
        }
        assert_eq!(json, std::fs::read_to_string(&path).unwrap());
    }
}
