//! One service of each kind. In: the addresses of servers. Out: services for the node's kube-proxy.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hopspan_lab::{
    Pod,
    kube_proxy::{Family, Protocol, Service, TrafficPolicy},
};

use super::fixture::{HOST_PORT, NAMESPACE, PORT, ip_of};

pub(crate) const NODE_PORT: u16 = 30080;
pub(crate) const LOCAL_NODE_PORT: u16 = 30081;
pub(crate) const HOST_NODE_PORT: u16 = 30082;

/// One service of each kind, in one family.
pub(crate) fn services(family: Family, servers: &[Pod; 2], node: IpAddr) -> Vec<Service> {
    let ip = |network: u8, host: u8| -> IpAddr {
        match (family, network) {
            (Family::V4, _) => Ipv4Addr::new(10, network, 0, host).into(),
            (Family::V6, 96) => Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, host.into()).into(),
            (Family::V6, _) => Ipv6Addr::new(0xfd00, 0x10, 0x250, 0, 0, 0, 0, host.into()).into(),
        }
    };
    let all = || {
        servers
            .iter()
            .map(|pod| SocketAddr::new(ip_of(pod, family), PORT))
    };
    let of = |name: &str, host: u8, endpoints: Vec<SocketAddr>| Service {
        port_name: Some("http".to_owned()),
        endpoints,
        ..Service::new(NAMESPACE, name, SocketAddr::new(ip(96, host), 80))
    };
    let dns = |server: SocketAddr| SocketAddr::new(server.ip(), 5353);
    vec![
        of("both", 20, all().collect()),
        Service {
            port_name: Some("dns".to_owned()),
            protocol: Protocol::Udp,
            port: 53,
            ..of("both", 20, all().skip(1).map(dns).collect())
        },
        of("self", 21, all().take(1).collect()),
        Service {
            internal_traffic_policy: TrafficPolicy::Local,
            ..of("internal", 22, all().collect())
        },
        Service {
            session_affinity: Some(Duration::from_secs(600)),
            ..of("sticky", 23, all().collect())
        },
        Service {
            node_port: Some(NODE_PORT),
            external_ips: vec![ip(250, 1)],
            load_balancer_ips: vec![ip(250, 2)],
            ..of("cluster", 24, all().collect())
        },
        Service {
            external_traffic_policy: TrafficPolicy::Local,
            node_port: Some(LOCAL_NODE_PORT),
            external_ips: vec![ip(250, 3)],
            load_balancer_ips: vec![ip(250, 4)],
            health_check_node_port: Some(31934),
            ..of("local", 25, all().collect())
        },
        of("empty", 26, Vec::new()),
        Service {
            external_traffic_policy: TrafficPolicy::Local,
            node_port: Some(HOST_NODE_PORT),
            ..of("host", 27, vec![SocketAddr::new(node, HOST_PORT)])
        },
    ]
}
