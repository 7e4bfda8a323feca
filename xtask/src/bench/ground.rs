//! Where most benchmarks take place: a node with a receiver, nginx behind a ClusterIP, and a pod that
//! loads it. In: the programs. Out: loads on demand, with or without an agent.
//!
//! Everything shares the machine, the receiver too: what it takes from the load counts against
//! hopspan.

mod agent;
mod ask;
mod load;
mod report;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hopspan_lab::kube_proxy::Service;
use hopspan_lab::{Lab, Node, NodeOptions, Pod, Process};

pub(super) use agent::{Agent, Follows, cpu};
pub(super) use load::{Paced, Source, Traceparent};
pub(super) use report::{Report, Totals};

use super::machine::cores;
use super::root::Bench;

/// Of nginx, and of every other server in a pod.
pub(super) const PORT: u16 = 8080;
/// Where OTLP over HTTP goes.
pub(super) const OTLP_PORT: u16 = 4318;
/// How long a server may take to listen.
pub(super) const LISTEN: Duration = Duration::from_secs(30);

/// A node with a receiver.
pub(super) struct Receiving {
    pub(super) node: Node,
    sink: Process,
    // Last, so that it is taken down after the processes.
    pub(super) lab: Lab,
}

/// The same with nginx and who loads it.
pub(super) struct Ground {
    _nginx: Process,
    pub(super) server: Pod,
    pub(super) client: Pod,
    service: Service,
    // Last, so that it is taken down after the processes.
    pub(super) base: Receiving,
}

impl Receiving {
    /// A lab with a node of this kind.
    ///
    /// # Errors
    /// When something does not start.
    pub(super) fn start(bench: &Bench<'_>, label: &str, options: NodeOptions) -> Result<Self> {
        let lab = Lab::new(&format!("cargo xtask bench, {label}"))?;
        let node = lab.node_with("node", options)?;
        let mut sink = node
            .command(bench.program("hopspan-bench"))
            .args(["sink", "--listen", &format!("0.0.0.0:{OTLP_PORT}")])
            .spawn()?;
        sink.wait_listening(OTLP_PORT, LISTEN)?;
        Ok(Self { node, sink, lab })
    }

    /// What the receiver has received so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn totals(&self) -> Result<Totals> {
        let text = ask::get(&self.node, OTLP_PORT, "/totals").context("ask the receiver")?;
        serde_json::from_str(&text).context("understand the receiver")
    }

    /// The processor time that the receiver has taken so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn sink_cpu(&self) -> Result<Duration> {
        cpu(self.sink.pid())
    }

    /// Attaches an agent.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn agent(&self, bench: &Bench<'_>, follows: Follows) -> Result<Agent> {
        self.agent_with(bench, follows, &[])
    }

    /// The same, with more arguments.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn agent_with(
        &self,
        bench: &Bench<'_>,
        follows: Follows,
        arguments: &[&str],
    ) -> Result<Agent> {
        Agent::start(bench, &self.node, self.lab.work_dir(), (follows, arguments))
    }
}

impl Ground {
    /// Starts everything but an agent.
    ///
    /// # Errors
    /// When something does not start.
    pub(super) fn start(bench: &Bench<'_>, label: &str) -> Result<Self> {
        let base = Receiving::start(bench, label, NodeOptions::default())?;
        let [server, client] = ["server", "client"].map(|name| base.node.pod("bench", name));
        let (server, client) = (server?, client?);
        let mut nginx = nginx(&server, base.lab.work_dir())?;
        nginx.wait_listening(PORT, LISTEN)?;
        let service = Service {
            endpoints: vec![SocketAddr::new(server.ip().into(), PORT)],
            ..Service::new("bench", "server", ([10, 96, 0, 20], 80).into())
        };
        base.node.apply_services(std::slice::from_ref(&service))?;
        Ok(Self {
            base,
            server,
            client,
            service,
            _nginx: nginx,
        })
    }

    /// Where requests go: the ClusterIP.
    pub(super) fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Its service.
    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// Where files may be put.
    pub(super) fn work_dir(&self) -> &Path {
        self.base.lab.work_dir()
    }
}

/// A server that answers everything with the same few bytes, on all processors.
fn nginx(pod: &Pod, work_dir: &Path) -> Result<Process> {
    let directory = work_dir.join("nginx");
    fs::create_dir(&directory).with_context(|| format!("create {}", directory.display()))?;
    let workers = cores();
    let configuration = format!(
        "daemon off;
        user root;
        worker_processes {workers};
        pid nginx.pid;
        error_log stderr;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            keepalive_requests 1000000000;
            server {{
                listen {PORT} reuseport;
                location / {{ return 200 \"served\\n\"; }}
            }}
        }}"
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration).with_context(|| format!("write {}", file.display()))?;
    pod.command("nginx")
        .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
        .arg(&directory)
        .spawn()
}
