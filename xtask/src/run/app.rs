//! What runs in the pods: HotROD, or nothing. In: the command line. Out: pods and services.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use hopspan_lab::hotrod::HotRod;
use hopspan_lab::kube_proxy::Service;
use hopspan_lab::{Node, Pod};

use super::args::{App, RunArgs};
use super::hotrod;

/// The service of empty pods, and where its servers are to listen.
const SERVICE: ([u8; 4], u16) = ([10, 96, 0, 10], 80);
pub(super) const SERVER_PORT: u16 = 8080;

/// What is in the pods.
#[derive(Debug)]
pub(super) enum Application {
    /// HotROD, and its client.
    HotRod(HotRod),
    /// Nothing.
    Empty(EmptyPods),
}

/// A client, and servers behind a service, in which nothing runs.
#[derive(Debug)]
pub(super) struct EmptyPods {
    client: Pod,
    servers: Vec<Pod>,
    service: Service,
}

impl Application {
    /// Makes the pods, with the services behind `before` in the rules.
    ///
    /// # Errors
    /// When a pod cannot be made, or an instance of HotROD does not start.
    pub(super) fn start(
        nodes: &[Node],
        binary: &Path,
        before: &[Service],
        args: &RunArgs,
    ) -> Result<Self> {
        match args.app {
            App::Hotrod => hotrod::start(nodes, binary, before, args).map(Self::HotRod),
            App::None => EmptyPods::make(nodes, before).map(Self::Empty),
        }
    }

    /// Its services.
    pub(super) fn services(&self) -> &[Service] {
        match self {
            Self::HotRod(hotrod) => hotrod.services(),
            Self::Empty(empty) => std::slice::from_ref(&empty.service),
        }
    }

    /// Its pods, with the client's last.
    pub(super) fn pods(&self) -> Vec<Pod> {
        match self {
            Self::HotRod(hotrod) => hotrod.pods(),
            Self::Empty(empty) => [&*empty.servers, std::slice::from_ref(&empty.client)].concat(),
        }
    }

    /// Ends what runs, and waits until it has flushed.
    ///
    /// # Errors
    /// When an instance of HotROD ended with another status than 0.
    pub(super) fn stop(self) -> Result<()> {
        match self {
            Self::HotRod(hotrod) => hotrod.stop(),
            Self::Empty(_) => Ok(()),
        }
    }
}

impl EmptyPods {
    /// The client is on the first node, the servers are on the last.
    fn make(nodes: &[Node], before: &[Service]) -> Result<Self> {
        let [first, last] = [nodes.first(), nodes.last()];
        let (first, last) = first.zip(last).context("a lab without nodes")?;
        let client = first.pod("default", "client-0")?;
        let servers = ["server-0", "server-1"].map(|name| last.pod("default", name));
        let servers: Vec<Pod> = servers.into_iter().collect::<Result<_>>()?;
        let endpoints = servers.iter().map(|pod| (pod.ip(), SERVER_PORT).into());
        let service = Service {
            endpoints: endpoints.collect(),
            ..Service::new("default", "server", SocketAddr::from(SERVICE))
        };
        let services = [before, std::slice::from_ref(&service)].concat();
        nodes
            .iter()
            .try_for_each(|node| node.apply_services(&services))?;
        Ok(Self {
            client,
            servers,
            service,
        })
    }

    /// The client.
    pub(super) fn client(&self) -> &Pod {
        &self.client
    }

    /// The servers.
    pub(super) fn servers(&self) -> &[Pod] {
        &self.servers
    }

    /// The URL of the service.
    pub(super) fn url() -> String {
        format!("http://{}/", SocketAddr::from(SERVICE).ip())
    }
}
