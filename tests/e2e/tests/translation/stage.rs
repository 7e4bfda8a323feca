//! A node with every kind of service, a host outside of the cluster, and an agent that follows both. In: cases. Out: what the
//! sockets say of each request, and at the end the spans, of which none was lost.

use std::{
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    path::PathBuf,
    time::Duration,
};

use hopspan_e2e::{Answer, Kernel, Prelude, Scene, Traces, binary};
use hopspan_lab::{
    Command, Host, Node, NodeOptions, Pod, Process,
    kube_proxy::{Family, Protocol, Service, TrafficPolicy},
};

use crate::case::{Case, Client};

/// Of the servers.
pub(crate) const PORT: u16 = 8080;
/// Of the server with hostNetwork.
const HOST_PORT: u16 = 6443;
pub(crate) const NODE_PORT: u16 = 30080;
pub(crate) const LOCAL_NODE_PORT: u16 = 30081;
const DEADLINE: Duration = Duration::from_secs(30);
/// Connections of a case, with as many requests each: the first finds the connection new, the second finds it open.
const CONNECTIONS: u64 = 2;
const REQUESTS: u64 = 4;
const NAMESPACE: &str = "translation";

pub(crate) struct Stage {
    scene: Scene,
    outside: Host,
    client: Pod,
    servers: [Pod; 2],
    services: Vec<Service>,
    next: u64,
    // Ended with the stage, after the spans are there.
    processes: Vec<Process>,
}

impl Stage {
    pub(crate) fn start(label: &str, options: NodeOptions) -> Self {
        let prelude = Prelude::start(label, options).unwrap();
        let (lab, node) = (&prelude.lab, &prelude.node);
        let pod = |name| node.pod(NAMESPACE, name).unwrap();
        let (client, servers) = (pod("client"), ["a", "b"].map(pod));
        let outside = lab.host("outside", node).unwrap();
        let mut processes: Vec<Process> = servers
            .iter()
            .map(|pod| serve(pod.command(echo()), PORT))
            .collect();
        processes.push(serve(node.command(echo()), HOST_PORT));
        let services: Vec<Service> = Family::ALL
            .into_iter()
            .flat_map(|family| services(family, &servers, ip_of_node(node, family)))
            .collect();
        node.apply_services(&services).unwrap();
        // The host is another machine; here the agent sees its sockets too, so that each path begins at its client.
        let cgroup = lab.cgroup_root().to_owned();
        let mut scene = prelude.attach(&cgroup, &[]).unwrap();
        scene.wait_logged("kube-proxy's rules name").unwrap();
        Self {
            scene,
            outside,
            client,
            servers,
            services,
            next: 1,
            processes,
        }
    }

    pub(crate) fn service(&self, name: &str, family: Family) -> Service {
        let found = self.services.iter().find(|service| {
            (service.name.as_str(), service.family(), service.protocol)
                == (name, family, Protocol::Tcp)
        });
        found.unwrap().clone()
    }

    pub(crate) fn server_ip(&self, index: usize, family: Family) -> IpAddr {
        ip_of(&self.servers[index], family)
    }

    pub(crate) fn node_ip(&self, family: Family) -> IpAddr {
        ip_of_node(&self.scene.node, family)
    }

    /// Sends a case's requests, one connection after the other.
    pub(crate) fn run(&mut self, case: &Case) -> Vec<Answer> {
        let record = self.scene.work_dir().join(format!("record-{}", self.next));
        let command: Command = match case.client {
            Client::Pod => self.client.command(echo()),
            Client::Server => self.servers[0].command(echo()),
            Client::Node => self.scene.node.command(echo()),
            Client::Outside => self.outside.command(echo()),
        };
        let numbers = [
            ("--connections", CONNECTIONS),
            ("--requests", REQUESTS),
            ("--first", self.next),
        ];
        self.next += REQUESTS;
        let command = command
            .args(["load", "--protocol", "h1"])
            .args(
                numbers
                    .iter()
                    .flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]),
            )
            .arg("--url")
            .arg(format!("http://{}", case.address))
            .arg("--record")
            .arg(&record);
        command
            .run(DEADLINE)
            .unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
        let answers = Answer::read(&record).unwrap();
        assert_eq!(answers.len() as u64, REQUESTS, "{}", case.name);
        fs::remove_file(record).unwrap();
        answers
    }

    /// A question over UDP to a service that shares its address with one of TCP: it is translated, and no exchange.
    pub(crate) fn send_udp(&self) {
        for family in Family::ALL {
            let any: IpAddr = match family {
                Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
                Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
            };
            let bind = |port| UdpSocket::bind((any, port));
            let served = self.servers[1].within(|| bind(5353)).unwrap().unwrap();
            let asking = self.client.within(|| bind(0)).unwrap().unwrap();
            served.set_read_timeout(Some(DEADLINE)).unwrap();
            let dns = SocketAddr::new(self.service("both", family).cluster_ip, 53);
            asking.send_to(b"GET / HTTP/1.1\r\n\r\n", dns).unwrap();
            let (_, from) = served.recv_from(&mut [0; 64]).unwrap();
            assert_eq!(from.ip(), ip_of(&self.client, family));
        }
    }

    /// Connections to a service without endpoints are refused.
    pub(crate) fn connect_to_nobody(&self) {
        for family in Family::ALL {
            let address = self.service("empty", family).address();
            let connect = || TcpStream::connect_timeout(&address, DEADLINE);
            let error = self.client.within(connect).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        }
    }

    /// Ends everything. What the agent had to see is seen: nothing was lost, every hook attached.
    pub(crate) fn finish(mut self) -> Traces {
        for process in &mut self.processes {
            let status = process.terminate(DEADLINE).unwrap();
            assert!(status.success(), "{status}:\n{}", process.log());
        }
        let outcome = self.scene.finish().unwrap();
        outcome.report.assert_all_attached(&Kernel::running());
        outcome.report.assert_nothing_lost();
        outcome.traces
    }
}

fn echo() -> PathBuf {
    binary("echo").unwrap()
}

/// A server on the addresses of both families.
fn serve(command: Command, port: u16) -> Process {
    let command = command.args(["server", "--listen", &format!("[::]:{port}")]);
    let mut server = command.spawn().unwrap();
    server.wait_listening(port, DEADLINE).unwrap();
    server
}

fn ip_of_node(node: &Node, family: Family) -> IpAddr {
    match family {
        Family::V4 => node.ip().into(),
        Family::V6 => node.ip6().into(),
    }
}

fn ip_of(pod: &Pod, family: Family) -> IpAddr {
    match family {
        Family::V4 => pod.ip().into(),
        Family::V6 => pod.ip6().into(),
    }
}

/// One service of each kind, in one family.
fn services(family: Family, servers: &[Pod; 2], node: IpAddr) -> Vec<Service> {
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
        of("host", 27, vec![SocketAddr::new(node, HOST_PORT)]),
    ]
}
