//! Routes to another node's pods, by that node's address on the wire.

use super::lines::Lines;
use crate::addresses::{Addresses, pod_network};
use crate::kube_proxy::Family;

pub(super) fn routes_to(other: u8) -> Lines {
    let on_wire = Addresses::of_node(other);
    let routes = Family::ALL.map(|family| {
        let (network, via) = (pod_network(other, family), on_wire.of(family));
        format!("route add {network} via {via} dev eth0\n")
    });
    Lines {
        ip: routes.concat(),
        bridge: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_of_each_family() {
        let expected = "route add 10.244.2.0/24 via 172.18.0.3 dev eth0\n\
                        route add fd00:10:244:2::/64 via fd00:172:18::3 dev eth0\n";
        assert_eq!(routes_to(2).ip, expected);
    }
}
