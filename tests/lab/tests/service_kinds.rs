//! Every kind of service, in both wirings of pods, all proxy modes and both address families: which
//! pod answers, and which client address it sees. One lab per wiring and mode.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

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
use responder::{Responder, request, request_within, serve, service_of};

/// The name of the pod that answered, and the client's address as the pod saw it.
type Answer = io::Result<(String, String)>;

/// Long enough for an answer, shorter than the time until TCP sends a SYN again.
const SHORT: Duration = Duration::from_millis(200);
const NODE_PORT: u16 = 30080;
const LOCAL_NODE_PORT: u16 = 30081;

/// A node with two pods, another with one, and a host outside, in one family.
struct Fixture<'l> {
    family: Family,
    node: &'l Node,
    pods: &'l [Pod],
    far: &'l Pod,
    outside: &'l Host,
}

impl Fixture<'_> {
    fn external_ip(&self, host: u8) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::new(10, 250, 0, host).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0x10, 0x250, 0, 0, 0, 0, host.into()).into(),
        }
    }

    fn gateway_ip(&self) -> String {
        self.node.gateway_ip_in(self.family).to_string()
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
            // The far pod is on another node of the cluster.
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

    fn request_from_pod(&self, address: SocketAddr) -> Answer {
        self.pods[0].within(|| request(address)).unwrap()
    }

    /// For connections whose SYN may be dropped.
    fn request_from_pod_briefly(&self, address: SocketAddr) -> Answer {
        self.pods[0]
            .within(|| request_within(address, SHORT))
            .unwrap()
    }

    fn request_from_node(&self, address: SocketAddr) -> Answer {
        self.node.within(|| request(address)).unwrap()
    }

    fn request_from_outside(&self, address: SocketAddr) -> Answer {
        self.outside.within(|| request(address)).unwrap()
    }

    /// Asserts that this pod answered and saw this client address.
    fn check(&self, what: &str, answer: Answer, pod: &str, client: &str) {
        let expected = (pod.to_owned(), client.to_owned());
        assert_eq!(answer.unwrap(), expected, "{what} over {:?}", self.family);
    }

    fn cluster_ips(&self) {
        let a_ip = self.pods[0].ip_in(self.family).to_string();
        let both = self.address("both");
        let reached: BTreeSet<_> = (0..40)
            .map(|_| self.request_from_pod(both).unwrap().0)
            .collect();
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        let internal = self.address("internal");
        for _ in 0..8 {
            self.check(
                "internal policy Local",
                self.request_from_pod(internal),
                "b",
                &a_ip,
            );
        }
        let hairpin = self.request_from_pod(self.address("self"));
        self.check("hairpin", hairpin, "a", &self.gateway_ip());
        let from_node = self.request_from_node(self.address("self"));
        self.check("from the node", from_node, "a", &self.gateway_ip());
        let sticky = self.address("sticky");
        let reached: BTreeSet<_> = (0..8)
            .map(|_| self.request_from_pod(sticky).unwrap().0)
            .collect();
        assert_eq!(reached.len(), 1, "session affinity");
        // For a headless service DNS returns the pods' addresses.
        let headless = SocketAddr::new(self.pods[1].ip_in(self.family), 8080);
        self.check("headless", self.request_from_pod(headless), "b", &a_ip);
    }

    fn external_addresses(&self) {
        let outside = self.outside.ip_in(self.family).to_string();
        let gateway = self.gateway_ip();
        let a_ip = self.pods[0].ip_in(self.family).to_string();
        let node_port = SocketAddr::new(self.node.ip_in(self.family), NODE_PORT);
        let portals = [
            ("node port", node_port),
            ("external IP", SocketAddr::new(self.external_ip(1), 80)),
            ("load balancer", SocketAddr::new(self.external_ip(2), 80)),
        ];
        for (what, address) in portals {
            self.check(what, self.request_from_outside(address), "b", &gateway);
            self.check(what, self.request_from_pod(address), "b", &gateway);
            self.check(what, self.request_from_node(address), "b", &gateway);
        }
        let portals = [
            (
                "node port",
                SocketAddr::new(self.node.ip_in(self.family), LOCAL_NODE_PORT),
            ),
            ("load balancer", SocketAddr::new(self.external_ip(3), 80)),
        ];
        for (what, address) in portals {
            for _ in 0..8 {
                // Never the far endpoint, which is on another node.
                self.check(what, self.request_from_outside(address), "b", &outside);
            }
            // As by policy Cluster: one of two endpoints, of which the other node's does not
            // answer. Not masqueraded.
            let answered = (0..40).find_map(|_| self.request_from_pod_briefly(address).ok());
            let answered = answered.expect("one of 40 connections reaches the pod that answers");
            self.check(what, Ok(answered), "b", &a_ip);
        }
    }

    fn refusals(&self, mode: ProxyMode) {
        let refused = |answer: Answer| answer.unwrap_err().kind();
        assert_eq!(
            refused(self.request_from_pod(self.address("empty"))),
            ErrorKind::ConnectionRefused
        );
        assert_eq!(
            refused(self.request_from_node(self.address("empty"))),
            ErrorKind::ConnectionRefused
        );
        let nowhere = self.request_from_pod_briefly(self.address("nowhere"));
        assert_ne!(
            refused(nowhere),
            ErrorKind::ConnectionRefused,
            "dropped, {mode}"
        );
        let empty_port = SocketAddr::new(self.node.ip_in(self.family), 30082);
        assert_eq!(
            refused(self.request_from_outside(empty_port)),
            ErrorKind::ConnectionRefused
        );
    }

    fn udp(&self) {
        let bind = |ip: IpAddr, port| UdpSocket::bind((ip, port));
        let any: IpAddr = match self.family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let server_socket = self.pods[1].within(|| bind(any, 8080)).unwrap().unwrap();
        let client_socket = self.pods[0].within(|| bind(any, 0)).unwrap().unwrap();
        for socket in [&server_socket, &client_socket] {
            socket.set_read_timeout(Some(responder::TIMEOUT)).unwrap();
        }
        let dns = self.address("dns");
        client_socket.send_to(b"question", dns).unwrap();
        let mut buffer = [0; 16];
        let (_, from) = server_socket.recv_from(&mut buffer).unwrap();
        assert_eq!(from.ip(), self.pods[0].ip_in(self.family));
        server_socket.send_to(b"answer", from).unwrap();
        assert_eq!(client_socket.recv_from(&mut buffer).unwrap(), (6, dns));
    }
}

/// Asserts that the kernel lists the rules that were written, except for the order of elements and
/// the decimals of probabilities.
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
            let without_expiry = |lines: &[String]| -> Vec<String> {
                let kept = lines.iter().filter(|line| !line.contains("expires"));
                kept.cloned().collect()
            };
            let listed = listed.get(name).map(|lines| without_expiry(lines));
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
    let _responders: Vec<Responder> = pods.iter().map(|pod| serve(pod, 8080)).collect();
    let fixtures = Family::ALL.map(|family| Fixture {
        family,
        node: &node,
        pods: &pods,
        far: &far,
        outside: &outside,
    });
    let services: Vec<Service> = fixtures.iter().flat_map(Fixture::services).collect();
    node.apply_services(&services).unwrap();
    for fixture in &fixtures {
        assert_loaded(&node, fixture.family, &services);
        fixture.cluster_ips();
        fixture.external_addresses();
        fixture.refusals(proxy_mode);
        fixture.udp();
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
