//! The rules of iptables mode, as text for `iptables-restore` and `ip6tables-restore`.
//!
//! The rules and their order are those of a real kube-proxy (kubernetes: pkg/proxy/iptables,
//! syncProxyRules), in iptables-save's spelling.

mod filter;
mod match_text;
pub(super) mod name;
mod nat;

use super::family::Family;
use super::network::Networks;
use super::service::Service;

pub(super) fn payload(services: &[&Service], family: Family, networks: &Networks) -> String {
    [
        MANGLE,
        &filter::table(services, family, networks),
        &nat::table(services, family, networks),
    ]
    .concat()
}

/// When this chain is missing, kube-proxy knows that the rules were flushed.
const MANGLE: &str = "\
*mangle
:KUBE-PROXY-CANARY - [0:0]
COMMIT
";
