//! The state of reading kube-proxy's rules, for health checks and metrics.

use std::time::{Duration, SystemTime};

use serde::Serialize;

/// A mode in which kube-proxy writes its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The nftables mode.
    Nftables,
    /// The iptables mode, on iptables' nf_tables back end.
    IptablesNft,
    /// The iptables mode, on iptables' legacy back end.
    IptablesLegacy,
}

impl Mode {
    /// The mode's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::IptablesNft => "iptables-nft",
            Self::IptablesLegacy => "iptables-legacy",
        }
    }
}

/// The state of the thread that reads the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RulesState {
    /// The modes whose rules were found. Empty if kube-proxy does not run, runs in IPVS mode, or is
    /// replaced.
    pub modes: Vec<Mode>,
    /// Pairs of portal and endpoint in the rules.
    pub decisions: usize,
    /// Portals that the rules reject or drop.
    pub refusals: usize,
    /// Rules of the last reading that could not be parsed.
    pub findings: usize,
    /// Readings of rules that were new or had changed.
    pub reads: u64,
    /// Readings that failed.
    pub failures: u64,
    /// When the rules were last known to be up to date.
    pub last_read: Option<SystemTime>,
    /// How long the last reading took.
    pub read_time: Duration,
    /// The error of the last reading; `None` while the rules are up to date.
    pub last_error: Option<String>,
}
