//! A node of a certain size. In: numbers of pods, services and connections. Out: an agent on it, and a
//! load that is the same whatever the size.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use hopspan_lab::kube_proxy::{CROWD_ENDPOINTS, Service, crowd};
use hopspan_lab::{NodeOptions, Pod, Process};
use serde_json::Value;

use super::super::ground::{Agent, Follows, LISTEN, PORT, Receiving, Totals};
use super::super::root::Bench;
use super::super::said;

/// Exchanges a second.
pub(super) const RATE: u32 = 1_000;
/// Connections that carry them.
pub(super) const LOAD_CONNECTIONS: u32 = 20;
/// Of the connections that are held, one in so many carries a request.
pub(super) const ASKED_OF: u32 = 10;
const SECONDS: u64 = 10;
/// Connections that are opened a second.
const OPEN_RATE: u32 = 4_000;
/// One process holds no more descriptors than 20,000 where RLIMIT_NOFILE cannot be raised, and one
/// address has 28,232 ephemeral ports for one destination.
const CONNECTIONS_OF_PROCESS: u32 = 15_000;
const OPENED: Duration = Duration::from_secs(120);
const GRACE: Duration = Duration::from_secs(60);

/// How large a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Servers behind the service that is loaded.
    pub(super) pods: u32,
    /// Services before it in the rules.
    pub(super) services: u32,
    /// Connections that are held open beside the load.
    pub(super) connections: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            pods: 1,
            services: 0,
            connections: 0,
        }
    }
}

/// The node, without an agent.
pub(super) struct Place {
    _servers: Vec<Process>,
    size: Size,
    clients: Vec<Pod>,
    load: Pod,
    service: Service,
    // Last, so that it is taken down after the processes.
    ground: Receiving,
}

impl Place {
    /// Starts servers, and makes the pods of clients.
    ///
    /// # Errors
    /// When something does not start.
    pub(super) fn start(bench: &Bench<'_>, size: Size) -> Result<Self> {
        let ground = Receiving::start(bench, "scale", NodeOptions::default())?;
        let node = &ground.node;
        let clients = size.connections.div_ceil(CONNECTIONS_OF_PROCESS);
        // As many servers as clients at least, each of which holds the other end.
        let pods = size.pods.max(clients);
        let mut servers = Vec::new();
        let mut endpoints = Vec::new();
        for number in 0..pods {
            let pod = node.pod("bench", &format!("server-{number}"))?;
            let server = pod
                .command(bench.program("echo"))
                .args(["server", "--listen", &format!("0.0.0.0:{PORT}")])
                .spawn()?;
            servers.push(server);
            endpoints.push(SocketAddr::new(pod.ip().into(), PORT));
        }
        for server in &mut servers {
            server.wait_listening(PORT, LISTEN)?;
        }
        let service = Service {
            endpoints,
            ..Service::new("bench", "server", ([10, 96, 0, 20], 80).into())
        };
        let mut all = crowd(size.services)?;
        all.push(service.clone());
        node.apply_services(&all)?;
        let clients = (0..clients).map(|number| node.pod("bench", &format!("client-{number}")));
        Ok(Self {
            clients: clients.collect::<Result<_>>()?,
            load: node.pod("bench", "load")?,
            ground,
            size,
            service,
            _servers: servers,
        })
    }

    /// Attaches an agent, lets it read all rules, and opens the connections, which live as long as
    /// their processes.
    ///
    /// # Errors
    /// When it does not start, or a connection cannot be opened.
    pub(super) fn agent(&self, bench: &Bench<'_>) -> Result<(Agent, Vec<Process>)> {
        let mut agent = self.ground.agent(bench, Follows::Pods)?;
        let ways = self.size.services as usize * CROWD_ENDPOINTS + self.service.endpoints.len();
        agent.wait_for_rules(ways)?;
        let mut held = Vec::new();
        let mut left = self.size.connections;
        for client in &self.clients {
            let connections = left.min(CONNECTIONS_OF_PROCESS);
            left -= connections;
            held.push(self.open(bench, client, connections)?);
        }
        Ok((agent, held))
    }

    fn open(&self, bench: &Bench<'_>, client: &Pod, connections: u32) -> Result<Process> {
        let mut process = client
            .command(bench.program("echo"))
            .args(["open", "--protocol", "h1"])
            .args(["--connections", &connections.to_string()])
            .args(["--request-every", &ASKED_OF.to_string()])
            .args(["--rate", &OPEN_RATE.to_string()])
            // Not the numbers of the load.
            .args(["--first", "1000000000", "--url", &self.url()])
            .spawn()?;
        said::wait(&mut process, "opened ", 0, OPENED)?;
        // Their exchanges are exported before the load's are counted.
        thread::sleep(Duration::from_secs(6));
        Ok(process)
    }

    /// Sends the load; how many requests were answered.
    ///
    /// # Errors
    /// When one was not.
    pub(super) fn load(&self, bench: &Bench<'_>) -> Result<u64> {
        let length = bench.length(SECONDS);
        let requests = u64::from(RATE) * length.as_secs();
        let said = self
            .load
            .command(bench.program("echo"))
            .args(["load", "--protocol", "h1"])
            .args(["--connections", &LOAD_CONNECTIONS.to_string()])
            .args(["--requests", &requests.to_string()])
            .args(["--rate", &RATE.to_string(), "--url", &self.url()])
            .run(length + GRACE)?;
        let said: Value = serde_json::from_str(said.trim()).context("understand the load")?;
        let answered = said["requests"].as_u64().filter(|count| *count > 0);
        answered.context("the load does not tell its requests")
    }

    /// What the receiver has received.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn totals(&self) -> Result<Totals> {
        self.ground.totals()
    }

    fn url(&self) -> String {
        format!("http://{}", self.service.address())
    }
}
