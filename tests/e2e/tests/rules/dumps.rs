//! Dumps of the rules that a real kube-proxy wrote.

use std::{fs, path::PathBuf};

use tracer_pipeline::kube_proxy::Rules;

/// The path of a file beside the agent's own tests.
pub(crate) fn path(name: &str) -> PathBuf {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tracer-pipeline/tests/fixtures/kube-proxy"
    );
    PathBuf::from(directory).join(name)
}

/// The dump of its iptables mode, without the rules that count packets in objects (nfacct) which
/// other programs make. The dump has each of these rules once more without the counting.
pub(crate) fn iptables() -> String {
    let text = fs::read_to_string(path("iptables-save.txt")).unwrap();
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.contains("-m nfacct")).collect()
}

/// The same rules as ip6tables has them: every address `a.b.c.d` is `fd00::a.b.c.d`.
pub(crate) fn ip6tables() -> String {
    fs::read_to_string(path("ip6tables-save.txt")).unwrap()
}

/// What one of these dumps amounts to, as the tests of `tracer-pipeline` found by reading its text.
pub(crate) fn rules(dump: &str) -> Rules {
    let json = fs::read_to_string(path(&format!("{dump}.rules.json"))).unwrap();
    Rules::from_json(&json).unwrap()
}

/// The dump of its nftables mode.
pub(crate) fn nftables() -> String {
    fs::read_to_string(path("nft-list-ruleset.txt")).unwrap()
}
