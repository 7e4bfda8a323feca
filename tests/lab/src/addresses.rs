//! Who has which address in a lab, in both families.
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

/// Networks of external and load balancer addresses, which hosts route to their node.
pub(crate) const EXTERNAL: [&str; 2] = ["10.250.0.0/24", "fd00:10:250::/112"];

/// An address in each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

impl Addresses {
    /// The wire's own, every node's default gateway. Nothing lies behind it: what a node sends there is lost.
    pub(crate) const GATEWAY: Self = Self::on_wire(1);

    /// On the wire; `host` is the last byte, or group.
    pub(crate) const fn on_wire(host: u8) -> Self {
        Self {
            v4: Ipv4Addr::new(172, 18, 0, host),
            v6: Ipv6Addr::new(0xfd00, 0x172, 0x18, 0, 0, 0, 0, host as u16),
        }
    }

    /// The eth0 of a node; nodes count from 1, which is the gateway's address.
    pub(crate) const fn of_node(node: u8) -> Self {
        Self::on_wire(node + 1)
    }

    /// In the pod network of a node.
    pub(crate) const fn in_pods(node: u8, host: u8) -> Self {
        // So that it reads 244:1 and 244:10, as it does in IPv4.
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

/// The pod network of a node, address/bits.
pub(crate) fn pod_network(node: u8, family: Family) -> String {
    let bits = match family {
        Family::V4 => 24,
        Family::V6 => 64,
    };
    format!("{}/{bits}", Addresses::in_pods(node, 0).of(family))
}

/// The hardware address of a node's own device with this address: 0a:58 and the address is what CNI plugins use.
pub(crate) fn hardware_address(v4: Ipv4Addr) -> String {
    let [a, b, c, d] = v4.octets();
    format!("0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// What kube-proxy on this node is told.
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
