//! kube-proxy's `--proxy-mode`, and for iptables which of its back ends holds the rules.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result};

/// How kube-proxy's rules get into the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyMode {
    /// iptables mode, with the iptables that the distribution prefers: the nf_tables back end, nearly everywhere.
    #[default]
    Iptables,
    /// iptables mode, with the back end of before nf_tables.
    IptablesLegacy,
    /// nftables mode.
    Nftables,
}

impl ProxyMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Iptables, Self::IptablesLegacy, Self::Nftables];

    /// The name, as the command line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::IptablesLegacy => "iptables-legacy",
            Self::Nftables => "nftables",
        }
    }
}

impl fmt::Display for ProxyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ProxyMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.with_context(|| {
            format!(
                "no proxy mode {text:?}: use one of {}",
                Self::ALL.map(Self::name).join(", ")
            )
        })
    }
}
