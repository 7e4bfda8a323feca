//! Who connects to what. In: a ground. Out: cases, each with the way that kube-proxy's rules have for it.

use std::net::SocketAddr;

use hopspan_lab::kube_proxy::{Entry, Family, Origin, Service};

use crate::ground::{Ground, PORT};
use crate::services::{LOCAL_NODE_PORT, NODE_PORT};

/// Where a client runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// In a pod of its own.
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
    /// Where it connects to.
    pub(crate) address: SocketAddr,
    /// The service that has this address, and as what; `None` where it is a pod's own.
    pub(crate) service: Option<(Service, Entry)>,
    /// Whether the server sees another client address.
    pub(crate) masqueraded: bool,
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

/// All of them, in both families.
pub(crate) fn cases(ground: &Ground) -> Vec<Case> {
    Family::ALL
        .into_iter()
        .flat_map(|family| {
            let mut cases = direct(ground, family);
            cases.extend(cluster_ips(ground, family));
            cases.extend(external(ground, family));
            cases
        })
        .chain([on_loopback(ground)])
        .collect()
}

/// A node port on 127.0.0.1, which works in iptables mode and in IPv4 only.
fn on_loopback(ground: &Ground) -> Case {
    Case {
        name: "node port, loopback",
        client: Client::Node,
        address: SocketAddr::from(([127, 0, 0, 1], NODE_PORT)),
        service: Some((ground.service("cluster", Family::V4), Entry::NodePort)),
        masqueraded: true,
    }
}

/// A headless service has no address of its own: DNS gives its pods'.
fn direct(ground: &Ground, family: Family) -> Vec<Case> {
    let address = SocketAddr::new(ground.server_ip(1, family), PORT);
    [("headless", Client::Pod), ("headless, node", Client::Node)]
        .map(|(name, client)| Case {
            name,
            client,
            address,
            service: None,
            masqueraded: false,
        })
        .into()
}

fn cluster_ips(ground: &Ground, family: Family) -> Vec<Case> {
    [
        ("ClusterIP", Client::Pod, "both", false),
        ("ClusterIP, node", Client::Node, "both", true),
        ("hairpin", Client::Server, "self", true),
        ("internal policy Local", Client::Pod, "internal", false),
        ("session affinity", Client::Pod, "sticky", false),
        // As default/kubernetes: the endpoint is the node.
        ("hostNetwork", Client::Pod, "host", false),
        ("hostNetwork, node", Client::Node, "host", true),
    ]
    .map(|(name, client, service, masqueraded)| {
        let service = ground.service(service, family);
        Case {
            name,
            client,
            address: service.address(),
            service: Some((service, Entry::ClusterIp)),
            masqueraded,
        }
    })
    .into()
}

fn external(ground: &Ground, family: Family) -> Vec<Case> {
    let (cluster, local) = (
        ground.service("cluster", family),
        ground.service("local", family),
    );
    let node_port = |port| {
        (
            SocketAddr::new(ground.node_ip(family), port),
            Entry::NodePort,
        )
    };
    let external = |ip| (SocketAddr::new(ip, 80), Entry::External);
    [
        (
            "node port, outside",
            Client::Outside,
            &cluster,
            node_port(NODE_PORT),
            true,
        ),
        (
            "node port, pod",
            Client::Pod,
            &cluster,
            node_port(NODE_PORT),
            true,
        ),
        (
            "node port, node",
            Client::Node,
            &cluster,
            node_port(NODE_PORT),
            true,
        ),
        (
            "external IP, outside",
            Client::Outside,
            &cluster,
            external(cluster.external_ips[0]),
            true,
        ),
        (
            "load balancer, outside",
            Client::Outside,
            &cluster,
            external(cluster.load_balancer_ips[0]),
            true,
        ),
        (
            "load balancer, pod",
            Client::Pod,
            &cluster,
            external(cluster.load_balancer_ips[0]),
            true,
        ),
        (
            "node port, policy Local, outside",
            Client::Outside,
            &local,
            node_port(LOCAL_NODE_PORT),
            false,
        ),
        (
            "load balancer, policy Local, outside",
            Client::Outside,
            &local,
            external(local.load_balancer_ips[0]),
            false,
        ),
        (
            "external IP, policy Local, pod",
            Client::Pod,
            &local,
            external(local.external_ips[0]),
            false,
        ),
        (
            "load balancer, policy Local, node",
            Client::Node,
            &local,
            external(local.load_balancer_ips[0]),
            true,
        ),
    ]
    .map(
        |(name, client, service, (address, entry), masqueraded)| Case {
            name,
            client,
            address,
            service: Some((service.clone(), entry)),
            masqueraded,
        },
    )
    .into()
}
