//! Checks whether kube-proxy's rules can be read, and whether the kernel notifies of changes.

use crate::rules::{Anyway, Mode, Reader, RuleChanges};

use super::check::Check;

const LOST: &str = "the chains by which kube-proxy chose a pod; the addresses before and after are seen nevertheless";

/// Reads the rules.
pub(super) fn reading() -> Check {
    const NAME: &str = "rules";
    let mut reader = Reader::default();
    if let Err(error) = reader.read(Anyway {
        nf_tables: true,
        legacy: true,
    }) {
        return Check::missing(
            NAME,
            error.text(),
            LOST,
            "run in the node's network namespace with CAP_NET_ADMIN; load nf_tables",
        );
    }
    let (rules, findings) = reader.rules();
    let modes: Vec<&str> = reader.modes().into_iter().map(Mode::name).collect();
    let found = if modes.is_empty() {
        "no rules of kube-proxy".to_owned()
    } else {
        format!("{}: {} ways to a pod", modes.join(", "), rules.len())
    };
    match findings.total() {
        0 => Check::good(NAME, found),
        unread => Check::good(NAME, format!("{found}; {unread} rules not understood")),
    }
}

/// Subscribes to notifications of changes.
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
