//! Networks in rules. In: `address` or `address/bits`, or the kernel's address and mask. Out: a
//! [`Network`].

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::finding::Problem;

/// An address and its prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    ip: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Parses `address` or `address/bits`. iptables-save prints a dotted mask only where it is no
    /// prefix, which kube-proxy never uses.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let (ip, bits) = text
            .split_once('/')
            .map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let ip: IpAddr = ip.parse().map_err(|_| Problem::Address)?;
        let all_bits = address_bits(ip);
        let prefix_bits = bits
            .map_or(Ok(all_bits), str::parse)
            .map_err(|_| Problem::Address)?;
        if prefix_bits > all_bits {
            return Err(Problem::Address);
        }
        Ok(Self { ip, prefix_bits })
    }

    /// The network of the first `prefix_bits` of an address.
    pub(super) fn new(ip: IpAddr, prefix_bits: u32) -> Result<Self, Problem> {
        let prefix_bits = u8::try_from(prefix_bits).map_err(|_| Problem::Address)?;
        if prefix_bits > address_bits(ip) {
            return Err(Problem::Address);
        }
        Ok(Self { ip, prefix_bits })
    }

    /// The address, where the network has only one.
    pub(super) fn host(&self) -> Option<IpAddr> {
        (self.prefix_bits == address_bits(self.ip)).then_some(self.ip)
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        let difference = match (self.ip, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        difference.leading_zeros() >= u32::from(self.prefix_bits)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix_bits)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        Self::parse(&text)
    }
}

fn address_bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).expect("a network")
    }

    #[test]
    fn addresses_in_networks() {
        let check = |net: &str, ip: &str, contained| {
            let ip = ip.parse().expect("an address");
            assert_eq!(network(net).contains(ip), contained, "{net} {ip}");
        };
        check("10.201.0.0/16", "10.201.255.1", true);
        check("10.201.0.0/16", "10.202.0.1", false);
        check("10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1/32", "10.0.0.0", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("::/0", "1.2.3.4", false);
        check("fd00::/8", "fdff::1", true);
        check("fd00::/128", "fd00::1", false);
        check("::/0", "::1", true);
    }
}
