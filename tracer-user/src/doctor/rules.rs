//! How kube-proxy's rules can be read here, and whether changes are told.

use crate::identity::{iptables, rule_changes::RuleChanges};

use super::check::Check;

const LOST: &str =
    "which chains of kube-proxy chose a pod; addresses before and after are seen all the same";

/// Whether there is a way to read them that works.
pub(super) fn reading() -> Check {
    const NAME: &str = "rules";
    match iptables::nat_rules() {
        Some(rules) => Check::good(
            NAME,
            format!("iptables-save: {} rules of nat", count(&rules)),
        ),
        None => Check::missing(
            NAME,
            "iptables-save cannot be run",
            LOST,
            "install iptables, and run in the node's network namespace with CAP_NET_ADMIN",
        ),
    }
}

/// Whether the kernel tells when they change.
pub(super) fn changes() -> Check {
    const NAME: &str = "rule_changes";
    match RuleChanges::listen() {
        Ok(_) => Check::good(NAME, "nf_tables notifies"),
        Err(error) => Check::missing(
            NAME,
            format!("nf_tables does not notify: {error}"),
            "rules that changed are read up to 30 s late",
            "give the process CAP_NET_ADMIN; load nfnetlink",
        ),
    }
}

/// Lines that append a rule.
fn count(rules: &str) -> usize {
    rules.lines().filter(|line| line.starts_with("-A ")).count()
}
