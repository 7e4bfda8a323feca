//! How the reading of kube-proxy's rules goes, for health and metrics.

use std::time::{Duration, SystemTime};

use serde::Serialize;

/// A form in which kube-proxy writes its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Its nftables mode.
    Nftables,
    /// Its iptables mode, on iptables' nf_tables back end.
    IptablesNft,
    /// Its iptables mode, on iptables' legacy back end.
    IptablesLegacy,
}

impl Mode {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::IptablesNft => "iptables-nft",
            Self::IptablesLegacy => "iptables-legacy",
        }
    }
}

/// The state of the thread that reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RulesState {
    /// The forms that were found. None: kube-proxy is not here, or in IPVS mode, or replaced.
    pub modes: Vec<Mode>,
    /// Pairs of portal and endpoint that the rules have.
    pub decisions: usize,
    /// Portals that the rules close.
    pub refusals: usize,
    /// Rules that could not be read, in the last reading.
    pub findings: usize,
    /// Readings of rules that were new or had changed.
    pub reads: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// When the rules were last known to be up to date.
    pub last_read: Option<SystemTime>,
    /// How long the last reading took.
    pub read_time: Duration,
    /// Why the rules are not up to date, when they are not.
    pub last_error: Option<String>,
}
