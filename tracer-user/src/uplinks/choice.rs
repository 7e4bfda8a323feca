//! Which devices are uplinks.
//!
//! In: the links and default routes of the node's network namespace, and the names given with
//! --uplink. Out: uplinks, and the ports of VXLAN devices. Does no I/O.
//!
//! Uplinks are hardware and the devices of default routes, except devices above hardware: of a bond
//! the ports are uplinks, of a VLAN or a bridge the device below, because packets pass there last
//! when they leave and first when they arrive.

use std::collections::{BTreeMap, BTreeSet};

/// The longest chain of devices above hardware that is followed. Real ones have three: VLAN, bond,
/// hardware.
const MAX_DEPTH: u32 = 8;

/// A link, as rtnetlink reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its interface index.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// `IFLA_INFO_KIND`; empty for hardware and for the loopback device.
    pub kind: String,
    /// Its link layer is Ethernet (ARPHRD_ETHER).
    pub is_ethernet: bool,
    /// The bridge or bond that it is a port of.
    pub master: Option<u32>,
    /// The device of this namespace below it (`IFLA_LINK`).
    pub below: Option<u32>,
    /// The UDP port of a VXLAN device.
    pub vxlan_port: Option<u16>,
}

/// The links and default routes of a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Every link of the namespace.
    pub links: Vec<Link>,
    /// The devices of default routes, of both families.
    pub default_routes: BTreeSet<u32>,
}

/// A device by which the node reaches other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Its interface index.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// `IFLA_INFO_KIND`.
    pub kind: String,
    /// It is a port of a bridge, which also takes frames for other destinations than this node.
    pub is_bridged: bool,
}

/// The uplinks, and what else depends on the links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uplinks {
    /// By interface index.
    pub devices: Vec<Uplink>,
    /// UDP ports on which VXLAN arrives.
    pub vxlan_ports: BTreeSet<u16>,
    /// Names given with --uplink that no device has now.
    pub absent: Vec<String>,
}

impl Uplinks {
    /// The names, for a log line.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.devices.iter().map(|device| &*device.name).collect();
        names.join(", ")
    }
}

/// Chooses the devices with the wanted names or, without wanted names, by the rule above.
pub fn choose(network: &Network, wanted: &[String]) -> Uplinks {
    let links: BTreeMap<u32, &Link> = network
        .links
        .iter()
        .map(|link| (link.ifindex, link))
        .collect();
    let is_uplink = |link: &Link| {
        if !wanted.is_empty() {
            return wanted.contains(&link.name);
        }
        is_hardware(link)
            || (network.default_routes.contains(&link.ifindex)
                && !is_above_hardware(link, &links, MAX_DEPTH))
    };
    let devices = links
        .values()
        .filter(|link| is_uplink(link))
        .map(|link| Uplink {
            ifindex: link.ifindex,
            name: link.name.clone(),
            kind: link.kind.clone(),
            is_bridged: is_bridged(link, &links),
        })
        .collect();
    let is_there = |name: &String| network.links.iter().any(|link| link.name == *name);
    Uplinks {
        devices,
        vxlan_ports: links.values().filter_map(|link| link.vxlan_port).collect(),
        absent: wanted
            .iter()
            .filter(|name| !is_there(name))
            .cloned()
            .collect(),
    }
}

/// A driver made the device, not a configuration.
fn is_hardware(link: &Link) -> bool {
    link.is_ethernet && link.kind.is_empty()
}

fn is_above_hardware(link: &Link, links: &BTreeMap<u32, &Link>, depth: u32) -> bool {
    if depth == 0 {
        return false;
    }
    let below = link.below.and_then(|below| links.get(&below));
    let ports = links
        .values()
        .filter(|port| port.master == Some(link.ifindex));
    below
        .into_iter()
        .chain(ports)
        .any(|under| is_hardware(under) || is_above_hardware(under, links, depth - 1))
}

fn is_bridged(link: &Link, links: &BTreeMap<u32, &Link>) -> bool {
    let master = link.master.and_then(|master| links.get(&master));
    master.is_some_and(|master| matches!(&*master.kind, "bridge" | "openvswitch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link from `number name kind [master=N] [below=N] [port=N]`; kind `-` is hardware.
    fn link(text: &str) -> Link {
        let mut words = text.split(' ');
        let mut link = Link {
            ifindex: words.next().unwrap().parse().unwrap(),
            name: words.next().unwrap().to_owned(),
            kind: words.next().unwrap().replace('-', ""),
            is_ethernet: true,
            ..Link::default()
        };
        for word in words {
            let (key, value) = word.split_once('=').unwrap();
            match key {
                "master" => link.master = value.parse().ok(),
                "below" => link.below = value.parse().ok(),
                "port" => link.vxlan_port = value.parse().ok(),
                other => panic!("{other}"),
            }
        }
        link
    }

    fn network(links: &[&str], default_routes: &[u32]) -> Network {
        let mut links: Vec<Link> = links.iter().map(|text| link(text)).collect();
        links.push(Link {
            ifindex: 1,
            name: "lo".to_owned(),
            ..Link::default()
        });
        Network {
            links,
            default_routes: default_routes.iter().copied().collect(),
        }
    }

    /// Checks the names of the uplinks. A star marks a port of a bridge.
    fn check(links: &[&str], default_routes: &[u32], expected: &str) {
        let chosen = choose(&network(links, default_routes), &[]);
        let names = chosen.devices.iter().map(|device| {
            let star = if device.is_bridged { "*" } else { "" };
            format!("{}{star}", device.name)
        });
        assert_eq!(names.collect::<Vec<_>>().join(" "), expected, "{links:?}");
    }

    #[test]
    fn hardware_and_the_devices_of_default_routes() {
        check(
            &["2 eth0 -", "3 cni0 bridge", "4 vetha veth master=3"],
            &[2],
            "eth0",
        );
        check(&["2 eth0 -", "3 eth1 -"], &[2], "eth0 eth1");
        // The node itself is a network namespace, as with kind and in the lab.
        check(&["2 eth0 veth", "3 cni0 bridge"], &[2], "eth0");
        check(&["2 wg0 wireguard", "3 cni0 bridge"], &[], "");
        check(&[], &[], "");
    }

    #[test]
    fn a_device_above_hardware_is_no_uplink() {
        check(
            &["2 eth0 - master=4", "3 eth1 - master=4", "4 bond0 bond"],
            &[4],
            "eth0 eth1",
        );
        check(
            &[
                "2 eth0 - master=3",
                "3 bond0 bond",
                "4 bond0.7 vlan below=3",
            ],
            &[4],
            "eth0",
        );
        check(&["2 eth0 - master=3", "3 br0 bridge"], &[3], "eth0*");
        // Two devices above each other.
        check(&["2 a vlan below=3", "3 b vlan below=2"], &[2], "a");
    }

    #[test]
    fn given_names_decide() {
        let network = network(&["2 eth0 -", "3 eth1 -", "4 f vxlan port=8472"], &[2]);
        let chosen = choose(&network, &["eth1".to_owned(), "eth9".to_owned()]);
        assert_eq!(chosen.names(), "eth1");
        assert_eq!(chosen.absent, ["eth9"]);
        assert_eq!(chosen.vxlan_ports, BTreeSet::from([8472]));
    }
}
