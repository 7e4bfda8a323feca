//! A node with every kind of service, clients of each kind, and servers: all that there is before an agent. In: a lab. Out:
//! addresses, and commands that run where a client is.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use hopspan_e2e::{Prelude, binary};
use hopspan_lab::{
    Command, Host, Node, Pod, Process,
    kube_proxy::{Family, Protocol, Service},
};

use crate::case::Client;
use crate::services::services;

/// Of the servers.
pub(crate) const PORT: u16 = 8080;
/// Of the server with hostNetwork.
pub(crate) const HOST_PORT: u16 = 6443;
pub(crate) const NAMESPACE: &str = "translation";
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Ground {
    pub(crate) client: Pod,
    pub(crate) servers: [Pod; 2],
    node: Node,
    outside: Host,
    services: Vec<Service>,
    // Ended with the ground, after the spans are there.
    processes: Vec<Process>,
}

/// Requests from one place to one address.
pub(crate) struct Load<'a> {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    /// The number of the first.
    pub(crate) first: u64,
    /// Where it is recorded what the sockets say.
    pub(crate) record: &'a Path,
}

impl Ground {
    /// Makes pods, a host, servers and services on a node that has none.
    pub(crate) fn lay(prelude: &Prelude) -> Self {
        let node = &prelude.node;
        let pod = |name| node.pod(NAMESPACE, name).unwrap();
        let (client, servers) = (pod("client"), ["a", "b"].map(pod));
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
        Self {
            outside: prelude.lab.host("outside", node).unwrap(),
            node: node.clone(),
            client,
            servers,
            services,
            processes,
        }
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
        ip_of_node(&self.node, family)
    }

    /// The command that sends requests over HTTP/1.1.
    pub(crate) fn load(&self, load: &Load<'_>) -> Command {
        let command: Command = match load.client {
            Client::Pod => self.client.command(echo()),
            Client::Server => self.servers[0].command(echo()),
            Client::Node => self.node.command(echo()),
            Client::Outside => self.outside.command(echo()),
        };
        let mut command = command.args(["load", "--protocol", "h1"]);
        for (name, number) in [
            ("--connections", load.connections),
            ("--requests", load.requests),
            ("--first", load.first),
        ] {
            command = command.args([name, &number.to_string()]);
        }
        command
            .args(["--url", &format!("http://{}", load.address)])
            .arg("--record")
            .arg(load.record)
    }

    /// Ends the servers.
    pub(crate) fn end(&mut self) {
        for process in &mut self.processes {
            let status = process.terminate(DEADLINE).unwrap();
            assert!(status.success(), "{status}:\n{}", process.log());
        }
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

pub(crate) fn ip_of(pod: &Pod, family: Family) -> IpAddr {
    match family {
        Family::V4 => pod.ip().into(),
        Family::V6 => pod.ip6().into(),
    }
}
