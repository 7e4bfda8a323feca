//! flannel's VXLAN devices, and their entries for another node (flannel: pkg/backend/vxlan). A
//! node's VXLAN device has the first address of the node's pod network.

use super::lines::Lines;
use crate::addresses::{Addresses, hardware_address, pod_network};
use crate::kube_proxy::Family;
use crate::wire;

const VNI: u32 = 1;
/// Linux' default, older than the 4789 that IANA assigned; flannel keeps it.
const PORT: u16 = 8472;

/// Bytes of the longest packet that fits the wire in VXLAN (RFC 7348, section 5): it takes 14 bytes
/// of an inner Ethernet header, 8 of VXLAN, 8 of UDP, and the outer IPv4 or IPv6 header.
pub(super) const fn mtu(family: Family) -> u32 {
    let outer_ip = match family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    wire::MTU - 14 - 8 - 8 - outer_ip
}

/// There is a device for each family of outer packets.
fn device(family: Family) -> String {
    match family {
        Family::V4 => format!("flannel.{VNI}"),
        Family::V6 => format!("flannel-v6.{VNI}"),
    }
}

pub(super) fn setup(node: u8) -> Lines {
    let devices = Family::ALL.map(|family| {
        let (device, mtu) = (device(family), mtu(family));
        let (address, local) = (pods(node), Addresses::of_node(node).of(family));
        let mac = hardware_address(address.v4);
        // A single address: the rest of the pod network is on cni0, or each pod has a route.
        let address = match family {
            Family::V4 => format!("{}/32 dev {device}", address.v4),
            Family::V6 => format!("{}/128 dev {device} nodad", address.v6),
        };
        format!(
            "link add name {device} mtu {mtu} address {mac} type vxlan id {VNI} dev eth0 local {local} dstport {PORT} nolearning\n\
             addr add {address}\n\
             link set {device} up\n"
        )
    });
    Lines {
        ip: devices.concat(),
        bridge: String::new(),
    }
}

pub(super) fn routes_to(other: u8) -> Lines {
    let mut lines = Lines::default();
    for family in Family::ALL {
        let (device, network) = (device(family), pod_network(other, family));
        let (via, mac) = (pods(other).of(family), hardware_address(pods(other).v4));
        let on_wire = Addresses::of_node(other).of(family);
        lines.ip += &format!(
            "route add {network} via {via} dev {device} onlink\n\
             neigh add {via} lladdr {mac} dev {device} nud permanent\n"
        );
        lines.bridge += &format!("fdb append {mac} dev {device} dst {on_wire}\n");
    }
    lines
}

fn pods(node: u8) -> Addresses {
    Addresses::in_pods(node, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_node_needs_a_route_a_neighbour_and_a_forwarding_entry() {
        let expected = "route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink\n\
            neigh add 10.244.2.0 lladdr 0a:58:0a:f4:02:00 dev flannel.1 nud permanent\n\
            route add fd00:10:244:2::/64 via fd00:10:244:2:: dev flannel-v6.1 onlink\n\
            neigh add fd00:10:244:2:: lladdr 0a:58:0a:f4:02:00 dev flannel-v6.1 nud permanent\n";
        let lines = routes_to(2);
        assert_eq!(lines.ip, expected);
        let expected = "fdb append 0a:58:0a:f4:02:00 dev flannel.1 dst 172.18.0.3\n\
            fdb append 0a:58:0a:f4:02:00 dev flannel-v6.1 dst fd00:172:18::3\n";
        assert_eq!(lines.bridge, expected);
    }

    #[test]
    fn the_longest_packet_fits_the_wire_with_its_outer_headers() {
        assert_eq!(Family::ALL.map(mtu), [1450, 1430]);
    }
}
