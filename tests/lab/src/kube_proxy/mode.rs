//! kube-proxy's `--proxy-mode`, and for iptables which of its back ends holds the rules.

use crate::option_name::print_and_parse_by_name;

/// How kube-proxy's rules get into the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyMode {
    /// iptables mode, with the distribution's default iptables: nearly everywhere the nf_tables
    /// back end.
    #[default]
    Iptables,
    /// iptables mode, with the back end that is older than nf_tables.
    IptablesLegacy,
    /// nftables mode.
    Nftables,
}

print_and_parse_by_name!(
    ProxyMode,
    "proxy mode",
    Iptables: "iptables",
    IptablesLegacy: "iptables-legacy",
    Nftables: "nftables",
);
