//! What a real kube-proxy wrote.

use std::{fs, path::PathBuf};

/// A file beside the agent's own tests.
pub(crate) fn path(name: &str) -> PathBuf {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tracer-user/tests/fixtures/kube-proxy"
    );
    PathBuf::from(directory).join(name)
}

/// The dump of its iptables mode, without the rules that count packets in objects which other programs
/// have to make first; each is there a second time without.
pub(crate) fn iptables() -> String {
    let text = fs::read_to_string(path("iptables-save.txt")).unwrap();
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.contains("-m nfacct")).collect()
}

/// The dump of its nftables mode.
pub(crate) fn nftables() -> String {
    fs::read_to_string(path("nft-list-ruleset.txt")).unwrap()
}
