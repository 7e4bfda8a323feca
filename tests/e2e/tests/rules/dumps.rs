//! Dumps of the rules that a real kube-proxy wrote.

use std::{fs, path::PathBuf};

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

/// The dump of its nftables mode.
pub(crate) fn nftables() -> String {
    fs::read_to_string(path("nft-list-ruleset.txt")).unwrap()
}
