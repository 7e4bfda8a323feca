//! Networks of the cluster, as in kube-proxy's configuration.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

use super::family::Family;

/// A network: an address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    ip: IpAddr,
    prefix_bits: u8,
}

/// The networks of one family: they decide which connections are masqueraded, and which endpoints
/// are on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Networks {
    /// kube-proxy's `--cluster-cidr`: all pods of the cluster.
    pub pods: Network,
    /// The pods of this node, the `podCIDR` of its Node object.
    pub node_pods: Network,
    /// The node's own address, which is also that of its pods with hostNetwork.
    pub node: IpAddr,
    /// The ServiceCIDR, from which ClusterIPs are taken.
    pub services: Network,
    /// kube-proxy's `--masquerade-all`: connections of pods to ClusterIPs are masqueraded, too.
    pub masquerade_all: bool,
}

impl Networks {
    /// Whether an endpoint is on this node.
    pub(super) fn is_local(&self, endpoint: IpAddr) -> bool {
        endpoint == self.node || self.node_pods.contains(endpoint)
    }
}

impl Network {
    /// # Errors
    /// When addresses of the family have fewer bits.
    pub fn new(ip: impl Into<IpAddr>, prefix_bits: u8) -> Result<Self> {
        let ip = ip.into();
        let all = Family::of(ip).bits();
        ensure!(
            prefix_bits <= all,
            "{ip}/{prefix_bits}: an address has {all} bits"
        );
        Ok(Self { ip, prefix_bits })
    }

    /// Whether an address lies in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let difference = match (self.ip, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        difference.leading_zeros() >= u32::from(self.prefix_bits)
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('/');
        let (ip, bits) = parts.with_context(|| format!("{text} is not address/bits"))?;
        let ip: IpAddr = ip.parse().with_context(|| format!("read {text}"))?;
        Self::new(ip, bits.parse().with_context(|| format!("read {text}"))?)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_networks() {
        let cases = [
            ("10.244.1.0/24", "10.244.1.255", true),
            ("10.244.1.0/24", "10.244.2.0", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00:10:244:1::/64", "fd00:10:244:1::2", true),
            ("fd00:10:244:1::/64", "fd00:10:244:2::2", false),
            ("fd00::1/128", "fd00::1", true),
        ];
        for (network, ip, inside) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(ip.parse().unwrap()),
                inside,
                "{network} {ip}"
            );
        }
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8", "fd00::/129"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
