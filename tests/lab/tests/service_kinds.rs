//! Every kind of service, in both wirings of pods, all proxy modes and both address families: who is reached, and as whom
//! the client is seen. One lab per wiring and mode.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[allow(dead_code)] // Each test binary uses a part of it.
mod iptables_text;
mod nft_text;
#[allow(dead_code)] // Each test binary uses a part of it.
mod responder;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use hopspan_lab::kube_proxy::{Family, Protocol, ProxyMode, Service, TrafficPolicy};
use hopspan_lab::{Host, Lab, Node, NodeOptions, Pod, Wiring, skip_mode};
use responder::{Echo, ask, ask_within, ip_of, serve, service_of};

type Asked = io::Result<(String, String)>;

/// Enough for an answer, and before a SYN is sent again.
const SOON: Duration = Duration::from_millis(200);
const NODE_PORT: u16 = 30080;
const LOCAL_NODE_PORT: u16 = 30081;

/// A node with two pods, another with one, and a host outside, in one family.
struct Stage<'l> {
    family: Family,
    node: &'l Node,
    pods: &'l [Pod],
    far: &'l Pod,
    outside: &'l Host,
}

impl Stage<'_> {
    fn external_ip(&self, host: u8) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::new(10, 250, 0, host).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0x10, 0x250, 0, 0, 0, 0, host.into()).into(),
        }
    }

    fn node_ip(&self) -> IpAddr {
        match self.family {
            Family::V4 => self.node.ip().into(),
            Family::V6 => self.node.ip6().into(),
        }
    }

    fn gateway_ip(&self) -> String {
        match self.family {
            Family::V4 => self.node.gateway_ip().to_string(),
            Family::V6 => self.node.gateway_ip6().to_string(),
        }
    }

    fn outside_ip(&self) -> String {
        match self.family {
            Family::V4 => self.outside.ip().to_string(),
            Family::V6 => self.outside.ip6().to_string(),
        }
    }

    fn services(&self) -> Vec<Service> {
        let [a, b] = self.pods else {
            panic!("two pods")
        };
        let of = |name, host, pods: &[&Pod]| service_of(self.family, name, host, pods);
        vec![
            of("both", 10, &[a, b]),
            of("self", 11, &[a]),
            of("empty", 12, &[]),
            Service {
                node_port: Some(NODE_PORT),
                external_ips: vec![self.external_ip(1)],
                load_balancer_ips: vec![self.external_ip(2)],
                ..of("cluster", 13, &[b])
            },
            // The far pod is of the cluster, and not of this node.
            Service {
                external_traffic_policy: TrafficPolicy::Local,
                node_port: Some(LOCAL_NODE_PORT),
                load_balancer_ips: vec![self.external_ip(3)],
                health_check_node_port: Some(31934),
                ..of("local", 14, &[b, self.far])
            },
            Service {
                internal_traffic_policy: TrafficPolicy::Local,
                ..of("internal", 15, &[b, self.far])
            },
            Service {
                internal_traffic_policy: TrafficPolicy::Local,
                ..of("nowhere", 16, &[self.far])
            },
            Service {
                session_affinity: Some(Duration::from_secs(3 * 3600)),
                ..of("sticky", 17, &[a, b])
            },
            Service {
                protocol: Protocol::Udp,
                port: 53,
                ..of("dns", 18, &[b])
            },
            Service {
                node_port: Some(30082),
                ..of("empty-outside", 19, &[])
            },
        ]
    }

    fn address(&self, name: &str) -> SocketAddr {
        let services = self.services();
        let service = services.iter().find(|service| service.name == name);
        service.unwrap().address()
    }

    fn pod_asks(&self, address: SocketAddr) -> Asked {
        self.pods[0].within(|| ask(address)).unwrap()
    }

    /// For what may be dropped on the way.
    fn pod_asks_soon(&self, address: SocketAddr) -> Asked {
        self.pods[0].within(|| ask_within(address, SOON)).unwrap()
    }

    fn node_asks(&self, address: SocketAddr) -> Asked {
        self.node.within(|| ask(address)).unwrap()
    }

    fn outside_asks(&self, address: SocketAddr) -> Asked {
        self.outside.within(|| ask(address)).unwrap()
    }

    /// Who answers, and whom it saw.
    fn check(&self, what: &str, asked: Asked, pod: &str, client: &str) {
        let expected = (pod.to_owned(), client.to_owned());
        assert_eq!(asked.unwrap(), expected, "{what} over {:?}", self.family);
    }

    fn cluster_ips(&self) {
        let a_ip = ip_of(self.family, &self.pods[0]).to_string();
        let both = self.address("both");
        let reached: BTreeSet<_> = (0..40).map(|_| self.pod_asks(both).unwrap().0).collect();
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        let internal = self.address("internal");
        for _ in 0..8 {
            self.check("internal policy Local", self.pod_asks(internal), "b", &a_ip);
        }
        let hairpin = self.pod_asks(self.address("self"));
        self.check("hairpin", hairpin, "a", &self.gateway_ip());
        let from_node = self.node_asks(self.address("self"));
        self.check("from the node", from_node, "a", &self.gateway_ip());
        let sticky = self.address("sticky");
        let reached: BTreeSet<_> = (0..8).map(|_| self.pod_asks(sticky).unwrap().0).collect();
        assert_eq!(reached.len(), 1, "session affinity");
        // Headless: the address that DNS gives is the pod's.
        let headless = SocketAddr::new(ip_of(self.family, &self.pods[1]), 8080);
        self.check("headless", self.pod_asks(headless), "b", &a_ip);
    }

    fn external_addresses(&self) {
        let (gateway, outside) = (self.gateway_ip(), self.outside_ip());
        let a_ip = ip_of(self.family, &self.pods[0]).to_string();
        let node_port = SocketAddr::new(self.node_ip(), NODE_PORT);
        let portals = [
            ("node port", node_port),
            ("external IP", SocketAddr::new(self.external_ip(1), 80)),
            ("load balancer", SocketAddr::new(self.external_ip(2), 80)),
        ];
        for (what, address) in portals {
            self.check(what, self.outside_asks(address), "b", &gateway);
            self.check(what, self.pod_asks(address), "b", &gateway);
            self.check(what, self.node_asks(address), "b", &gateway);
        }
        let portals = [
            (
                "node port",
                SocketAddr::new(self.node_ip(), LOCAL_NODE_PORT),
            ),
            ("load balancer", SocketAddr::new(self.external_ip(3), 80)),
        ];
        for (what, address) in portals {
            for _ in 0..8 {
                // Never the other endpoint, which is on no node here.
                self.check(what, self.outside_asks(address), "b", &outside);
            }
            // As if by policy Cluster: one of two endpoints, of which the other node's does not answer, and not masqueraded.
            let answered = (0..40).find_map(|_| self.pod_asks_soon(address).ok());
            let answered = answered.expect("one of 40 gets the pod that answers");
            self.check(what, Ok(answered), "b", &a_ip);
        }
    }

    fn refusals(&self, mode: ProxyMode) {
        let refused = |asked: Asked| asked.unwrap_err().kind();
        assert_eq!(
            refused(self.pod_asks(self.address("empty"))),
            ErrorKind::ConnectionRefused
        );
        assert_eq!(
            refused(self.node_asks(self.address("empty"))),
            ErrorKind::ConnectionRefused
        );
        let nowhere = self.pod_asks_soon(self.address("nowhere"));
        assert_ne!(
            refused(nowhere),
            ErrorKind::ConnectionRefused,
            "dropped, {mode}"
        );
        let empty_port = SocketAddr::new(self.node_ip(), 30082);
        assert_eq!(
            refused(self.outside_asks(empty_port)),
            ErrorKind::ConnectionRefused
        );
    }

    fn udp(&self) {
        let bind = |ip: IpAddr, port| UdpSocket::bind((ip, port));
        let any: IpAddr = match self.family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let served = self.pods[1].within(|| bind(any, 8080)).unwrap().unwrap();
        let asking = self.pods[0].within(|| bind(any, 0)).unwrap().unwrap();
        for socket in [&served, &asking] {
            socket.set_read_timeout(Some(responder::TIMEOUT)).unwrap();
        }
        let dns = self.address("dns");
        asking.send_to(b"question", dns).unwrap();
        let mut buffer = [0; 16];
        let (_, from) = served.recv_from(&mut buffer).unwrap();
        assert_eq!(from.ip(), ip_of(self.family, &self.pods[0]));
        served.send_to(b"answer", from).unwrap();
        assert_eq!(asking.recv_from(&mut buffer).unwrap(), (6, dns));
    }
}

/// What the kernel says its rules are is what was written, but for the order of elements and the decimals of probabilities.
fn assert_loaded(node: &Node, family: Family, services: &[Service]) {
    let list = |program: &str, arguments: &[&str]| {
        let listed = node.command(program).args(arguments);
        listed.run(Duration::from_secs(10)).unwrap()
    };
    let mode = node.options().proxy_mode;
    let written = node.rules(services, family).unwrap();
    if mode == ProxyMode::Nftables {
        let table = match family {
            Family::V4 => "ip kube-proxy",
            Family::V6 => "ip6 kube-proxy",
        };
        let mut arguments = vec!["list", "table"];
        arguments.extend(table.split(' '));
        let (listed, written) = (
            nft_text::table(&list("nft", &arguments), table),
            nft_text::table(&written, table),
        );
        for (name, lines) in &written {
            let forgetful = |lines: &[String]| -> Vec<String> {
                let kept = lines.iter().filter(|line| !line.contains("expires"));
                kept.cloned().collect()
            };
            let listed = listed.get(name).map(|lines| forgetful(lines));
            assert_eq!(listed.as_ref(), Some(lines), "{name}");
        }
        return;
    }
    let program = match (mode, family) {
        (ProxyMode::IptablesLegacy, Family::V4) => "iptables-legacy-save",
        (ProxyMode::IptablesLegacy, Family::V6) => "ip6tables-legacy-save",
        (_, Family::V4) => "iptables-save",
        (_, Family::V6) => "ip6tables-save",
    };
    let listed = iptables_text::rules(&list(program, &[]));
    for (chain, rules) in iptables_text::rules(&written) {
        assert_eq!(listed.get(&chain), Some(&rules), "{chain:?}");
    }
}

fn check(test: &str, wiring: Wiring, proxy_mode: ProxyMode) {
    if skip_mode(test, proxy_mode) {
        return;
    }
    let lab = Lab::new(test).unwrap();
    let options = NodeOptions {
        wiring,
        proxy_mode,
        ..NodeOptions::default()
    };
    let node = lab.node_with("node", options).unwrap();
    let pods = ["a", "b"].map(|name| node.pod("default", name).unwrap());
    let second = lab.node_with("second", options).unwrap();
    let far = second.pod("default", "far").unwrap();
    let outside = lab.host("outside", &node).unwrap();
    let _echoes: Vec<Echo> = pods.iter().map(|pod| serve(pod, 8080)).collect();
    let stages = Family::ALL.map(|family| Stage {
        family,
        node: &node,
        pods: &pods,
        far: &far,
        outside: &outside,
    });
    let services: Vec<Service> = stages.iter().flat_map(Stage::services).collect();
    node.apply_services(&services).unwrap();
    for stage in &stages {
        assert_loaded(&node, stage.family, &services);
        stage.cluster_ips();
        stage.external_addresses();
        stage.refusals(proxy_mode);
        stage.udp();
    }
}

#[test]
fn bridge_iptables() {
    check("bridge_iptables", Wiring::Bridge, ProxyMode::Iptables);
}

#[test]
fn bridge_nftables() {
    check("bridge_nftables", Wiring::Bridge, ProxyMode::Nftables);
}

#[test]
fn routed_iptables() {
    check("routed_iptables", Wiring::Routed, ProxyMode::Iptables);
}

#[test]
fn routed_nftables() {
    check("routed_nftables", Wiring::Routed, ProxyMode::Nftables);
}

#[test]
fn iptables_legacy_routed() {
    check(
        "iptables_legacy_routed",
        Wiring::Routed,
        ProxyMode::IptablesLegacy,
    );
}
