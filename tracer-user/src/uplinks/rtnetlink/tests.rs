//! Messages as the kernel writes them, cut at every byte, and the links of this machine.

use super::*;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn vxlan() -> Vec<u8> {
    let data = attribute(IFLA_VXLAN_PORT, &8472_u16.to_be_bytes());
    let info = [
        attribute(IFLA_INFO_KIND, b"vxlan\0"),
        attribute(IFLA_INFO_DATA, &data),
    ];
    let mut message = vec![0; LINK_BYTES];
    message[2..4].copy_from_slice(&ARPHRD_ETHER.to_ne_bytes());
    message[4..8].copy_from_slice(&7_u32.to_ne_bytes());
    message.extend(attribute(IFLA_IFNAME, b"flannel.1\0"));
    message.extend(attribute(IFLA_LINK, &2_u32.to_ne_bytes()));
    message.extend(attribute(IFLA_LINKINFO, &info.concat()));
    message
}

fn route(destination_bits: u8, attributes: &[u8]) -> Vec<u8> {
    let mut message = vec![0; ROUTE_BYTES];
    message[1] = destination_bits;
    message[7] = RTN_UNICAST;
    message.extend(attributes);
    message
}

#[test]
fn the_port_of_a_vxlan_device_is_read() {
    let expected = Link {
        ifindex: 7,
        name: "flannel.1".to_owned(),
        kind: "vxlan".to_owned(),
        is_ethernet: true,
        master: None,
        below: Some(2),
        vxlan_port: Some(8472),
    };
    assert_eq!(link(&vxlan()), Some(expected));
}

#[test]
fn a_device_below_in_another_namespace_is_left_out() {
    let mut message = vxlan();
    message.extend(attribute(IFLA_LINK_NETNSID, &0_u32.to_ne_bytes()));
    assert_eq!(link(&message).and_then(|link| link.below), None);
}

#[test]
fn default_routes_have_one_device_or_several() {
    let oif = attribute(RTA_OIF, &3_u32.to_ne_bytes());
    assert_eq!(default_route(&route(0, &oif)), BTreeSet::from([3]));
    assert!(default_route(&route(24, &oif)).is_empty());
    let hop = |ifindex: u32| {
        let gateway = attribute(5, &[10, 0, 0, 1]);
        let mut hop = ((NEXT_HOP_BYTES + gateway.len()) as u16)
            .to_ne_bytes()
            .to_vec();
        hop.extend([0, 0]);
        hop.extend(ifindex.to_ne_bytes());
        hop.extend(gateway);
        hop
    };
    let hops = attribute(RTA_MULTIPATH, &[hop(4), hop(5)].concat());
    assert_eq!(default_route(&route(0, &hops)), BTreeSet::from([4, 5]));
}

#[test]
fn a_cut_message_is_read_without_panic() {
    let hops = attribute(RTA_MULTIPATH, &[8, 0, 0, 0, 9, 0, 0, 0]);
    for message in [vxlan(), route(0, &hops)] {
        for length in 0..message.len() {
            // Must not panic and must not loop.
            let _ = link(&message[..length]);
            let _ = default_route(&message[..length]);
        }
    }
    assert_eq!(next_hops(&[0, 0, 0, 0, 9, 0, 0, 0]), Vec::<u32>::new());
}

#[test]
fn this_machine_has_a_loopback_device() {
    let network = Rtnetlink::open().unwrap().network().unwrap();
    let loopback = network.links.iter().find(|link| link.name == "lo").unwrap();
    assert!(!loopback.is_ethernet, "{loopback:?}");
    assert_eq!(loopback.kind, "");
}
