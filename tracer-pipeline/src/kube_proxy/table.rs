//! A table of rules. Every reader builds tables, and the chain walk follows them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::finding::Problem;
use super::rule::Rule;
use super::{Endpoint, Protocol};

/// Bound on rules of one table. kube-proxy has about three per service and three per endpoint.
pub(super) const MAX_RULES: usize = 400_000;

/// kube-proxy's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TableKind {
    /// iptables' `nat`: chooses endpoints.
    Nat,
    /// iptables' `filter`: refuses portals without endpoints.
    Filter,
    /// nftables' `kube-proxy`: does both.
    KubeProxy,
}

impl TableKind {
    /// The iptables table of this name.
    pub(super) fn of_iptables(name: &str) -> Option<Self> {
        match name {
            "nat" => Some(Self::Nat),
            "filter" => Some(Self::Filter),
            _ => None,
        }
    }

    /// The chains that the kernel's hooks jump to.
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
    /// Rules by chain, in order. A declared chain without rules is present and empty.
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

    /// Adds the chain, without rules.
    pub(super) fn declare(&mut self, chain: Cow<'t, str>) {
        self.chains.entry(chain).or_default();
    }

    /// Appends a rule.
    ///
    /// # Errors
    ///
    /// `TooLarge` where the table is full; the rule is not added.
    pub(super) fn push(&mut self, chain: Cow<'t, str>, rule: Rule<'t>) -> Result<(), Problem> {
        if self.rules == MAX_RULES {
            return Err(Problem::TooLarge);
        }
        self.rules += 1;
        self.chains.entry(chain).or_default().push(rule);
        Ok(())
    }
}
