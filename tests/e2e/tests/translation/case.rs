//! The connections of the tests. In: the addresses of a fixture. Out: cases, each with the service
//! whose rules translate it.

use std::net::SocketAddr;

use hopspan_lab::kube_proxy::{Entry, Family, Origin, Service};

use super::fixture::{PORT, TranslationFixture};
use super::services::{HOST_NODE_PORT, LOCAL_NODE_PORT, NODE_PORT};

/// Where a client runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// In a pod without a server.
    Pod,
    /// In the first server's pod.
    Server,
    /// On the node, as a pod with hostNetwork.
    Node,
    /// Outside of the cluster.
    Outside,
}

/// Connections from one client to one address.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    /// The address that it connects to.
    pub(crate) address: SocketAddr,
    /// The service that has this address, and which kind of address it is; `None` for a pod's own
    /// address.
    pub(crate) service: Option<(Service, Entry)>,
    /// Whether the server sees another client address.
    pub(crate) masqueraded: bool,
}

impl Case {
    fn new(name: &'static str, client: Client, address: SocketAddr) -> Self {
        Self {
            name,
            client,
            address,
            service: None,
            masqueraded: false,
        }
    }

    fn through(mut self, service: &Service, entry: Entry) -> Self {
        self.service = Some((service.clone(), entry));
        self
    }

    fn masqueraded(mut self) -> Self {
        self.masqueraded = true;
        self
    }
}

impl Client {
    pub(crate) fn origin(self) -> Origin {
        match self {
            Self::Pod | Self::Server => Origin::Pod,
            Self::Node => Origin::Node,
            Self::Outside => Origin::Outside,
        }
    }
}

/// All cases, in both families.
pub(crate) fn cases(fixture: &TranslationFixture) -> Vec<Case> {
    Family::ALL
        .into_iter()
        .flat_map(|family| {
            let mut cases = direct(fixture, family);
            cases.extend(cluster_ips(fixture, family));
            cases.extend(external(fixture, family));
            cases
        })
        .chain([on_loopback(fixture)])
        .collect()
}

/// A connection to a node port on 127.0.0.1, which works in iptables mode and in IPv4 only.
fn on_loopback(fixture: &TranslationFixture) -> Case {
    let address = SocketAddr::from(([127, 0, 0, 1], NODE_PORT));
    Case::new("node port, loopback", Client::Node, address)
        .through(&fixture.service("cluster", Family::V4), Entry::NodePort)
        .masqueraded()
}

/// Connections to a headless service, which has no address of its own: DNS resolves it to its
/// pods'.
fn direct(fixture: &TranslationFixture, family: Family) -> Vec<Case> {
    let address = SocketAddr::new(fixture.server_ip(1, family), PORT);
    vec![
        Case::new("headless", Client::Pod, address),
        Case::new("headless, node", Client::Node, address),
    ]
}

fn cluster_ips(fixture: &TranslationFixture, family: Family) -> Vec<Case> {
    let to = |name, client, service: &str| {
        let service = fixture.service(service, family);
        Case::new(name, client, service.address()).through(&service, Entry::ClusterIp)
    };
    vec![
        to("ClusterIP", Client::Pod, "both"),
        to("ClusterIP, node", Client::Node, "both").masqueraded(),
        to("hairpin", Client::Server, "self").masqueraded(),
        to("internal policy Local", Client::Pod, "internal"),
        to("session affinity", Client::Pod, "sticky"),
        // As with default/kubernetes, the endpoint is the node.
        to("hostNetwork", Client::Pod, "host"),
        to("hostNetwork, node", Client::Node, "host").masqueraded(),
    ]
}

fn external(fixture: &TranslationFixture, family: Family) -> Vec<Case> {
    let service = |name| fixture.service(name, family);
    let (cluster, local, host) = (service("cluster"), service("local"), service("host"));
    let node_port = |name, client, service: &Service, port| {
        let address = SocketAddr::new(fixture.node_ip(family), port);
        Case::new(name, client, address).through(service, Entry::NodePort)
    };
    let external = |name, client, service: &Service, ip| {
        let address = SocketAddr::new(ip, service.port);
        Case::new(name, client, address).through(service, Entry::External)
    };
    let mut cases = vec![
        node_port("node port, outside", Client::Outside, &cluster, NODE_PORT),
        node_port("node port, pod", Client::Pod, &cluster, NODE_PORT),
        node_port("node port, node", Client::Node, &cluster, NODE_PORT),
    ];
    for (name, client, ips) in [
        (
            "external IP, outside",
            Client::Outside,
            &cluster.external_ips,
        ),
        (
            "load balancer, outside",
            Client::Outside,
            &cluster.load_balancer_ips,
        ),
        (
            "load balancer, pod",
            Client::Pod,
            &cluster.load_balancer_ips,
        ),
    ] {
        cases.push(external(name, client, &cluster, ips[0]));
    }
    // With policy Cluster the answer must return through this node, whatever the client.
    let cases = cases.into_iter().map(Case::masqueraded);
    let (ip, balancer) = (local.external_ips[0], local.load_balancer_ips[0]);
    let of_policy_local = [
        node_port(
            "hostNetwork, node port, outside",
            Client::Outside,
            &host,
            HOST_NODE_PORT,
        ),
        node_port(
            "policy Local, node port, outside",
            Client::Outside,
            &local,
            LOCAL_NODE_PORT,
        ),
        external(
            "policy Local, load balancer, outside",
            Client::Outside,
            &local,
            balancer,
        ),
        external("policy Local, external IP, pod", Client::Pod, &local, ip),
        external(
            "policy Local, load balancer, node",
            Client::Node,
            &local,
            balancer,
        )
        .masqueraded(),
    ];
    cases.chain(of_policy_local).collect()
}
