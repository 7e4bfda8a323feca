//! A table of rules, whatever it was read from. Every reader makes these, and one walk follows them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::finding::Problem;
use super::rule::Rule;
use super::{Endpoint, Protocol};

/// Most rules of one table that are read. kube-proxy has about three per service and three per
/// endpoint.
pub(super) const MAX_RULES: usize = 400_000;

/// Which of kube-proxy's tables it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TableKind {
    /// iptables' `nat`: which endpoint.
    Nat,
    /// iptables' `filter`: portals without one.
    Filter,
    /// nftables' `kube-proxy`: both.
    KubeProxy,
}

impl TableKind {
    /// iptables' tables by name.
    pub(super) fn of_iptables(name: &str) -> Option<Self> {
        match name {
            "nat" => Some(Self::Nat),
            "filter" => Some(Self::Filter),
            _ => None,
        }
    }

    /// Where the kernel's hooks jump to.
    pub(super) fn first_chains(self) -> &'static [&'static str] {
        match self {
            Self::Nat => &["KUBE-SERVICES"],
            Self::Filter => &[
                "KUBE-SERVICES",
                "KUBE-EXTERNAL-SERVICES",
                "KUBE-PROXY-FIREWALL",
            ],
            Self::KubeProxy => &[
                "services",
                "service-endpoints-check",
                "nodeport-endpoints-check",
                "firewall-check",
            ],
        }
    }
}

/// kube-proxy's chains of one table.
#[derive(Debug)]
pub(super) struct Table<'t> {
    pub(super) kind: TableKind,
    /// Rules by chain, in order. A chain without rules is there and empty.
    pub(super) chains: HashMap<Cow<'t, str>, Vec<Rule<'t>>>,
    /// Endpoints whose connections to themselves are masqueraded, where the rules have a set of
    /// them.
    pub(super) hairpins: HashSet<(Endpoint, Protocol)>,
    rules: usize,
}

impl<'t> Table<'t> {
    pub(super) fn new(kind: TableKind) -> Self {
        Self {
            kind,
            chains: HashMap::new(),
            hairpins: HashSet::new(),
            rules: 0,
        }
    }

    /// Makes the chain known, though it may have no rules.
    pub(super) fn declare(&mut self, chain: Cow<'t, str>) {
        self.chains.entry(chain).or_default();
    }

    /// Appends a rule.
    ///
    /// # Errors
    ///
    /// `TooLarge` when the table is full; the rule is left out.
    pub(super) fn push(&mut self, chain: Cow<'t, str>, rule: Rule<'t>) -> Result<(), Problem> {
        if self.rules == MAX_RULES {
            return Err(Problem::TooLarge);
        }
        self.rules += 1;
        self.chains.entry(chain).or_default().push(rule);
        Ok(())
    }
}
