//! A node with every kind of service, clients of each kind, servers, and an agent that follows
//! every socket of the node.
//!
//! In: cases. Out: what the sockets had for each request, and at the end the spans, of which none
//! was lost. Services are there before the agent, which the test starts when it wants it.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    path::Path,
    time::Duration,
};

use hopspan_e2e::{Answer, EchoLoad, Fixture, Kernel, RunsPrograms, Traces, echo_server};
use hopspan_lab::{
    Command, Host, Node, NodeOptions, Pod, Process, Wiring,
    kube_proxy::{Family, Protocol, ProxyMode, Service},
};

use super::case::{Case, Client};
use super::services::services;

/// What the servers in pods listen on.
pub(crate) const PORT: u16 = 8080;
/// What the server with hostNetwork listens on.
pub(crate) const HOST_PORT: u16 = 6443;
pub(crate) const NAMESPACE: &str = "translation";
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Connections of a case, and requests on all of them: the first on each opens it, the second finds
/// it open.
const CONNECTIONS: u64 = 2;
const REQUESTS: u64 = 4;

pub(crate) struct TranslationFixture {
    fixture: Fixture,
    client: Pod,
    servers: [Pod; 2],
    outside: Host,
    services: Vec<Service>,
    /// The number of the next request.
    next: u64,
    // Ended by the test, after the spans are there.
    processes: Vec<Process>,
}

impl TranslationFixture {
    /// Makes pods, a host, servers and services on a node that has no agent.
    pub(crate) fn without_agent(test: &str, wiring: Wiring, proxy_mode: ProxyMode) -> Self {
        let options = NodeOptions {
            wiring,
            proxy_mode,
            ..NodeOptions::default()
        };
        let fixture = Fixture::without_agents(test, options, 1).unwrap();
        let node = fixture.node();
        let pod = |name| node.pod(NAMESPACE, name).unwrap();
        let (client, servers) = (pod("client"), ["a", "b"].map(pod));
        // Of both families.
        let serve = |place: &dyn RunsPrograms, port: u16| {
            echo_server(place, (Ipv6Addr::UNSPECIFIED, port)).unwrap()
        };
        let mut processes: Vec<Process> = servers.iter().map(|pod| serve(pod, PORT)).collect();
        processes.push(serve(node, HOST_PORT));
        let services: Vec<Service> = Family::ALL
            .into_iter()
            .flat_map(|family| services(family, &servers, ip_of_node(node, family)))
            .collect();
        node.apply_services(&services).unwrap();
        Self {
            outside: fixture.lab().host("outside", node).unwrap(),
            fixture,
            client,
            servers,
            services,
            next: 1,
            processes,
        }
    }

    /// Starts the agent, and waits until it has read the rules. It follows its own node. The host
    /// is another machine: of its exchanges the node has the server's half.
    pub(crate) fn start_agent(&mut self) {
        let cgroup = self.fixture.node().cgroup_root().to_owned();
        self.fixture.start_agent(&cgroup, &[]).unwrap();
        // Services with several addresses have several decisions for each endpoint.
        let endpoints: usize = self.services.iter().map(|of| of.endpoints.len()).sum();
        self.fixture
            .agent()
            .wait_for_metrics("at the rules of all services", |metrics| {
                metrics.value("hopspan_rules_decisions") >= Some(endpoints as f64)
            })
            .unwrap();
    }

    /// The service over TCP with this name.
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
        ip_of_node(self.fixture.node(), family)
    }

    /// The kind of the node.
    pub(crate) fn options(&self) -> NodeOptions {
        self.fixture.node().options()
    }

    /// The directory for files of this fixture.
    pub(crate) fn work_dir(&self) -> &Path {
        self.fixture.work_dir()
    }

    /// The command that sends requests from where a client of this kind runs.
    pub(crate) fn load_command(&self, client: Client, load: EchoLoad, record: &Path) -> Command {
        load.command(self.place_of(client), record).unwrap()
    }

    fn place_of(&self, client: Client) -> &dyn RunsPrograms {
        match client {
            Client::Pod => &self.client,
            Client::Server => &self.servers[0],
            Client::Node => self.fixture.node(),
            Client::Outside => &self.outside,
        }
    }

    /// Sends a case's requests, one connection after the other.
    pub(crate) fn run(&mut self, case: &Case) -> Vec<Answer> {
        let load = EchoLoad {
            address: case.address,
            connections: CONNECTIONS,
            requests: REQUESTS,
            first: self.next,
        };
        self.next += REQUESTS;
        load.run(self.place_of(case.client), self.work_dir())
            .unwrap_or_else(|error| panic!("{}: {error:#}", case.name))
    }

    /// Sends a datagram to a service that shares its address with one of TCP: it is translated, and
    /// no exchange.
    pub(crate) fn send_udp(&self) {
        let Self {
            client, servers, ..
        } = self;
        // One socket for both families: the port of a first one may be taken for as long as a
        // process that another test is starting holds a copy of it.
        let bind = |port| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port));
        let server = servers[1].within(|| bind(5353)).unwrap().unwrap();
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        for family in Family::ALL {
            let any: IpAddr = match family {
                Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
                Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
            };
            let sender = client
                .within(|| UdpSocket::bind((any, 0)))
                .unwrap()
                .unwrap();
            let dns = SocketAddr::new(self.service("both", family).cluster_ip, 53);
            sender.send_to(b"GET / HTTP/1.1\r\n\r\n", dns).unwrap();
            let (_, from) = server.recv_from(&mut [0; 64]).unwrap();
            assert_eq!(from.ip().to_canonical(), ip_of(client, family));
        }
    }

    /// Connects to a service without endpoints, which is refused.
    pub(crate) fn connect_without_endpoints(&self) {
        for family in Family::ALL {
            let address = self.service("empty", family).address();
            let connect = || TcpStream::connect_timeout(&address, DEADLINE);
            let error = self.client.within(connect).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        }
    }

    /// Ends everything. Nothing was lost, and every hook was attached.
    pub(crate) fn finish(mut self) -> Traces {
        for process in &mut self.processes {
            let status = process.terminate(DEADLINE).unwrap();
            assert!(status.success(), "{status}:\n{}", process.log());
        }
        let outcome = self.fixture.finish().unwrap();
        outcome.report().assert_all_attached(&Kernel::running());
        outcome.report().assert_nothing_lost();
        outcome.traces
    }
}

fn ip_of_node(node: &Node, family: Family) -> IpAddr {
    match family {
        Family::V4 => node.ip().into(),
        Family::V6 => node.ip6().into(),
    }
}

pub(crate) fn ip_of(pod: &Pod, family: Family) -> IpAddr {
    match family {
        Family::V4 => pod.ip().into(),
        Family::V6 => pod.ip6().into(),
    }
}
