//! Formats rules as lines of text, to compare with expected ones.

use super::super::*;

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

fn texts(sources: &[Source]) -> String {
    let texts: Vec<String> = sources.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn portal_text(portal: Portal) -> String {
    match portal {
        Portal::Address(ip, port, protocol) => {
            format!("{}/{}", SocketAddr::new(ip, port), protocol_name(protocol))
        }
        Portal::NodePort(port, protocol) => format!("*:{port}/{}", protocol_name(protocol)),
    }
}

/// Every refused portal, sorted.
pub(in super::super) fn refusals(rules: &Rules) -> Vec<String> {
    let mut closed: Vec<_> = rules.refusals.iter().collect();
    closed.sort_by_key(|(portal, _)| *portal);
    let line = |(portal, refusal): (&Portal, &Refusal)| {
        let Refusal {
            service,
            chains,
            answer,
            reason,
        } = refusal;
        let chains = chains.join(" > ").replace("KUBE-", "");
        format!(
            "{} -| {service} | {chains} | {answer:?}: {reason}",
            portal_text(*portal)
        )
    };
    closed.into_iter().map(line).collect()
}

/// A path as `portal -> endpoint service kind | chains without KUBE- | marked sources | affinity |
/// local | if conditions`.
fn line(portal: Portal, chosen: Endpoint, decision: &Decision) -> String {
    let portal = portal_text(portal);
    let (chosen, service) = (SocketAddr::from(chosen), &decision.service);
    let kind = decision.portal.as_str();
    let chains = decision.chain_path().replace("KUBE-", "");
    let masquerade = match &*texts(&decision.masquerade) {
        "" => "never".to_owned(),
        reasons => reasons.to_owned(),
    };
    let affinity = decision.session_affinity.then(|| " | affinity".to_owned());
    let local = decision.local_endpoints_only.then(|| " | local".to_owned());
    let from = (!decision.from.is_empty()).then(|| format!(" | if {}", texts(&decision.from)));
    let rest: String = [affinity, local, from].into_iter().flatten().collect();
    format!("{portal} -> {chosen} {service} {kind} | {chains} | {masquerade}{rest}")
}

/// Every path, sorted by portal and endpoint; the paths of a pair keep their order.
pub(in super::super) fn listing(rules: &Rules) -> Vec<String> {
    let mut pairs: Vec<_> = rules.paths.iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    let paths = pairs.into_iter().flat_map(|((portal, chosen), paths)| {
        paths.iter().map(|path| line(*portal, *chosen, path))
    });
    paths.collect()
}

/// Compares paths and refusals with a file beside the dump.
pub(in super::super) fn check_paths(rules: &Rules, name: &str) {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kube-proxy");
    let path = std::path::Path::new(directory).join(name);
    let lines = [listing(rules), refusals(rules)].concat();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, lines.join("\n") + "\n").expect("write what is expected");
    }
    let expected = std::fs::read_to_string(&path).expect("read what is expected");
    assert_eq!(lines, expected.lines().collect::<Vec<_>>());
}
