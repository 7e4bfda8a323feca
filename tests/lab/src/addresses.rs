//! The addresses of a lab, in both families.
//!
//! | what | IPv4 | IPv6 |
//! |---|---|---|
//! | the wire between nodes | 172.18.0.0/16 | fd00:172:18::/64 |
//! | pods of node N | 10.244.N.0/24 | fd00:10:244:N::/64 |
//! | services | 10.96.0.0/16 | fd00:10:96::/112 |
//! | external and load balancer addresses | 10.250.0.0/24 | fd00:10:250::/112 |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::kube_proxy::{Family, Networks};

/// The networks of external and load balancer addresses, which hosts route to their node.
pub(crate) const EXTERNAL: [&str; 2] = ["10.250.0.0/24", "fd00:10:250::/112"];

/// An address in each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

impl Addresses {
    /// The wire's own address, every node's default gateway. It forwards nothing: packets sent
    /// there are lost.
    pub(crate) const GATEWAY: Self = Self::on_wire(1);

    /// An address on the wire; `host` is its last byte, or its last group.
    pub(crate) const fn on_wire(host: u8) -> Self {
        Self {
            v4: Ipv4Addr::new(172, 18, 0, host),
            v6: Ipv6Addr::new(0xfd00, 0x172, 0x18, 0, 0, 0, 0, host as u16),
        }
    }

    /// The address of a node's eth0. Nodes count from 1, and host 1 is the gateway.
    pub(crate) const fn of_node(node: u8) -> Self {
        Self::on_wire(node + 1)
    }

    /// An address in the pod network of a node.
    pub(crate) const fn in_pods(node: u8, host: u8) -> Self {
        // The decimal digits as hexadecimal ones: node 10 has 244:10, as it has 244.10 in IPv4.
        let group =
            (node / 100) as u16 * 0x100 + (node / 10 % 10) as u16 * 0x10 + (node % 10) as u16;
        Self {
            v4: Ipv4Addr::new(10, 244, node, host),
            v6: Ipv6Addr::new(0xfd00, 0x10, 0x244, group, 0, 0, 0, host as u16),
        }
    }

    pub(crate) const fn of(self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.v4),
            Family::V6 => IpAddr::V6(self.v6),
        }
    }
}

/// The pod network of a node, as address/bits.
pub(crate) fn pod_network(node: u8, family: Family) -> String {
    let bits = match family {
        Family::V4 => 24,
        Family::V6 => 64,
    };
    format!("{}/{bits}", Addresses::in_pods(node, 0).of(family))
}

/// The hardware address of a node's device with this IP address: 0a:58 and the IP address, as CNI
/// plugins choose it.
pub(crate) fn hardware_address(v4: Ipv4Addr) -> String {
    let [a, b, c, d] = v4.octets();
    format!("0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// The networks that kube-proxy on this node is configured with.
pub(crate) fn networks(node: u8, family: Family) -> Result<Networks> {
    let (pods, services) = match family {
        Family::V4 => ("10.244.0.0/16", "10.96.0.0/16"),
        Family::V6 => ("fd00:10:244::/48", "fd00:10:96::/112"),
    };
    Ok(Networks {
        pods: pods.parse()?,
        node_pods: pod_network(node, family).parse()?,
        node: Addresses::of_node(node).of(family),
        services: services.parse()?,
        masquerade_all: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_its_own_pod_network() {
        for (node, v6) in [
            (1, "fd00:10:244:1::/64"),
            (10, "fd00:10:244:10::/64"),
            (254, "fd00:10:244:254::/64"),
        ] {
            let networks = Family::ALL.map(|family| networks(node, family).unwrap());
            assert_eq!(
                networks[0].node_pods.to_string(),
                format!("10.244.{node}.0/24")
            );
            assert_eq!(networks[1].node_pods.to_string(), v6);
            for (networks, family) in networks.into_iter().zip(Family::ALL) {
                let pod = Addresses::in_pods(node, 7).of(family);
                assert!(
                    networks.node_pods.contains(pod) && networks.pods.contains(pod),
                    "{pod}"
                );
                assert!(!networks.pods.contains(networks.node));
            }
        }
    }
}
