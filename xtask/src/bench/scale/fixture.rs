//! A node of a certain size. In: numbers of pods, services and connections. Out: an agent on it,
//! and a load that is the same for all sizes.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use hopspan_lab::kube_proxy::{CROWD_ENDPOINTS, Service, crowd};
use hopspan_lab::{NodeOptions, Pod, Process};
use serde_json::Value;

use crate::bench::fixture::agent::{Agent, Follows};
use crate::bench::fixture::nginx::{PORT, server_service};
use crate::bench::fixture::receiver::{LISTEN_LIMIT, ReceiverFixture};
use crate::bench::settings::Settings;
use crate::process::Wait;

/// Exchanges a second.
pub(super) const RATE: u32 = 1_000;
/// Connections of the load.
pub(super) const LOAD_CONNECTIONS: u32 = 20;
/// Of the connections that are held, one in so many carries a request.
pub(super) const REQUEST_EVERY: u32 = 10;
const SECONDS: u64 = 10;
/// Connections that are opened a second.
const OPEN_RATE: u32 = 4_000;
/// One process holds no more descriptors than 20,000 where RLIMIT_NOFILE cannot be raised, and one
/// address has 28,232 ephemeral ports for one destination.
const CONNECTIONS_OF_PROCESS: u32 = 15_000;
const OPEN: Wait = Wait::for_seconds(120).checking_seldom();
/// The agent exports a batch that is not full after 5 s.
const EXPORT_DELAY: Duration = Duration::from_secs(6);
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

impl Size {
    pub(super) const LEAST: Self = Self {
        pods: 1,
        services: 0,
        connections: 0,
    };
}

/// The node, without an agent.
pub(super) struct ScaleFixture {
    _servers: Vec<Process>,
    size: Size,
    clients: Vec<Pod>,
    load: Pod,
    service: Service,
    // Last, so that it is taken down after the processes.
    pub(super) receiver: ReceiverFixture,
}

impl ScaleFixture {
    /// Starts servers, and makes the pods of clients.
    ///
    /// # Errors
    /// When something does not start.
    pub(super) fn start(settings: &Settings, size: Size) -> Result<Self> {
        let receiver = ReceiverFixture::start(settings, "scale", NodeOptions::default())?;
        let node = &receiver.node;
        let pods = |name: &str, count| {
            let pod = |number| node.pod("bench", &format!("{name}-{number}"));
            (0..count).map(pod).collect::<Result<Vec<Pod>>>()
        };
        let clients = size.connections.div_ceil(CONNECTIONS_OF_PROCESS);
        // At least as many servers as clients: each holds the other end of a client's connections.
        let server_pods = pods("server", size.pods.max(clients))?;
        let mut servers = Vec::new();
        for pod in &server_pods {
            let server = pod
                .command(settings.program("echo"))
                .args(["server", "--listen", &format!("0.0.0.0:{PORT}")])
                .spawn()?;
            servers.push(server);
        }
        for server in &mut servers {
            server.wait_listening(PORT, LISTEN_LIMIT)?;
        }
        let service = server_service(&server_pods);
        let mut all = crowd(size.services)?;
        all.push(service.clone());
        node.apply_services(&all)?;
        Ok(Self {
            clients: pods("client", clients)?,
            load: node.pod("bench", "load")?,
            receiver,
            size,
            service,
            _servers: servers,
        })
    }

    /// Starts an agent, lets it read all rules, and opens the connections, which live as long as
    /// their processes.
    ///
    /// # Errors
    /// When it does not start, or a connection cannot be opened.
    pub(super) fn agent(&self, settings: &Settings) -> Result<(Agent, Vec<Process>)> {
        let mut agent = self.receiver.agent(settings, Follows::Pods, &[])?;
        let endpoints =
            self.size.services as usize * CROWD_ENDPOINTS + self.service.endpoints.len();
        agent.wait_for_rules(endpoints)?;
        let mut held = Vec::new();
        let mut left = self.size.connections;
        for client in &self.clients {
            let connections = left.min(CONNECTIONS_OF_PROCESS);
            left -= connections;
            held.push(self.open(settings, client, connections)?);
        }
        Ok((agent, held))
    }

    fn open(&self, settings: &Settings, client: &Pod, connections: u32) -> Result<Process> {
        let mut process = client
            .command(settings.program("echo"))
            .args(["open", "--protocol", "h1"])
            .args(["--connections", &connections.to_string()])
            .args(["--request-every", &REQUEST_EVERY.to_string()])
            .args(["--rate", &OPEN_RATE.to_string()])
            // Not the numbers of the load.
            .args(["--first", "1000000000", "--url", &self.url()])
            .spawn()?;
        let pid = process.pid();
        let are_open = || tcp_sockets(pid).is_some_and(|sockets| sockets >= connections);
        OPEN.until(&mut process, "open all connections", are_open)?;
        // Their exchanges are exported before the load's are counted.
        thread::sleep(EXPORT_DELAY);
        Ok(process)
    }

    /// Sends the load; how many requests were answered.
    ///
    /// # Errors
    /// When one was not.
    pub(super) fn load(&self, settings: &Settings) -> Result<u64> {
        let length = settings.length(SECONDS);
        let requests = u64::from(RATE) * length.as_secs();
        let summary = self
            .load
            .command(settings.program("echo"))
            .args(["load", "--protocol", "h1"])
            .args(["--connections", &LOAD_CONNECTIONS.to_string()])
            .args(["--requests", &requests.to_string()])
            .args(["--rate", &RATE.to_string(), "--url", &self.url()])
            .run(length + GRACE)?;
        let summary: Value = serde_json::from_str(summary.trim()).context("parse the summary")?;
        let answered = summary["requests"].as_u64().filter(|count| *count > 0);
        answered.context("the summary of the load has no requests")
    }

    fn url(&self) -> String {
        format!("http://{}", self.service.address())
    }
}

/// How many TCP sockets over IPv4 the network namespace of a process has, listening ones included
/// (kernel: sockstat_seq_show).
fn tcp_sockets(pid: u32) -> Option<u32> {
    let sockstat = fs::read_to_string(format!("/proc/{pid}/net/sockstat")).ok()?;
    parse_tcp_sockets(&sockstat)
}

fn parse_tcp_sockets(sockstat: &str) -> Option<u32> {
    let mut lines = sockstat.lines();
    let counts = lines.find_map(|line| line.strip_prefix("TCP: inuse "))?;
    counts.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_sockets_of_a_network_namespace() {
        let sockstat =
            "sockets: used 4\nTCP: inuse 3 orphan 0 tw 1 alloc 4 mem 0\nUDP: inuse 0 mem 0\n";
        assert_eq!(parse_tcp_sockets(sockstat), Some(3));
        assert_eq!(parse_tcp_sockets(""), None);
        assert!(tcp_sockets(std::process::id()).is_some());
    }
}
