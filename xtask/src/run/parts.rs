//! The two parts of hopspan in the lab: the viewer, and the agent of each node. In: a node and the
//! command line. Out: processes that are ready, and that flush when they are stopped.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{self, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use hopspan_lab::{Node, Process};

use super::args::{App, RunArgs};
use super::hotrod::BATCH_DELAY;
use crate::http;
use crate::process::{Wait, check, end};
use crate::progress::note;

/// Where the viewer listens inside the node, the ports that OTLP has registered for gRPC and HTTP.
const OTLP_PORTS: [u16; 2] = [4317, 4318];

/// Where the page of `--page` is, in our own network namespace.
pub(super) const PAGE: &str = "127.0.0.1:4380";

/// A debug build on a busy machine; most of it is the verifier's work.
const START: Wait = Wait::for_seconds(60);

/// Thousands of services take the agent a second or two.
const RULES: Wait = Wait::for_seconds(60).checking_seldom();

/// The agent's last batch goes over loopback, and the viewer prints from memory.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// When the viewer prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Printing {
    /// All traces at its end, and its table.
    AtEnd,
    /// Each trace when it is complete.
    AsTheyCome,
}

/// Traces a second of requests without a trace context, where the pods are empty: what a user tries
/// first carries none.
const UNTRACED: &str = "10";

/// The viewer, or an agent.
#[derive(Debug)]
pub(super) struct Part {
    /// As messages name it.
    name: String,
    node: Node,
    process: Process,
}

impl Part {
    /// Starts the viewer: it prints to our stdout and forwards from our own network namespace, but
    /// listens in the node's.
    ///
    /// # Errors
    /// When it cannot be started, or does not listen in time.
    pub(super) fn viewer(
        node: &Node,
        hopspan: &Path,
        args: &RunArgs,
        printing: Printing,
    ) -> Result<Self> {
        let [grpc, http] = OTLP_PORTS.map(|port| format!("0.0.0.0:{port}"));
        let mut command = node
            .command("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", process::id()))
            .arg(hopspan)
            .args(["view", "--netns"])
            .arg(node.netns_path())
            .args(["--grpc", &grpc, "--http", &http])
            .args(["--page", if args.page { PAGE } else { "off" }]);
        if let Some(json) = &args.json {
            let json = std::path::absolute(json)
                .with_context(|| format!("make {} absolute", json.display()))?;
            command = command.arg("--json").arg(json);
        }
        if let Some(url) = &args.otlp {
            command = command.args(["--forward", url]);
        }
        if let Some(width) = args.width {
            command = command.args(["--width", &width.to_string()]);
        }
        if let Some(waterfalls) = args.waterfalls {
            command = command.args(["--waterfalls", &waterfalls.to_string()]);
        }
        if printing == Printing::AtEnd {
            command = command.arg("--at-end");
        }
        if args.full {
            command = command.arg("--full");
        }
        let mut viewer = Self {
            name: "the viewer".to_owned(),
            node: node.clone(),
            process: command.stdout(Stdio::inherit()).spawn()?,
        };
        viewer.wait_until("listen", |node| node.within(accepts_otlp).unwrap_or(false))?;
        Ok(viewer)
    }

    /// Starts a node's agent as in a DaemonSet's pod with hostNetwork: in the node's namespace, for
    /// the node's cgroups. It exports to the viewer at `receiver`.
    ///
    /// # Errors
    /// When it cannot be started, or is not ready in time.
    pub(super) fn agent(
        node: &Node,
        hopspan: &Path,
        receiver: Ipv4Addr,
        args: &RunArgs,
    ) -> Result<Self> {
        let endpoint = format!("http://{receiver}:{}", OTLP_PORTS[0]);
        let mut command = node
            .command(hopspan)
            .args(["run", "--cgroup"])
            .arg(node.cgroup_root())
            .args(["--detail", &args.detail])
            .env("NO_COLOR", "1")
            .env("NODE_NAME", node.name())
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        if args.stays() {
            command = command.env(BATCH_DELAY.0, BATCH_DELAY.1);
        }
        if args.debug {
            command = command.arg("--debug");
        }
        if args.app == App::None {
            command = command.args(["--untraced", UNTRACED]);
        }
        let mut agent = Self {
            name: match args.nodes {
                1 => "the agent".to_owned(),
                _ => format!("the agent of {}", node.name()),
            },
            node: node.clone(),
            process: command.spawn()?,
        };
        agent.wait_until("become ready", http::is_agent_ready)?;
        Ok(agent)
    }

    /// Waits until the agent has read rules with so many endpoints, and notes when it has not: its
    /// spans name no services then.
    ///
    /// # Errors
    /// When the agent ends first.
    pub(super) fn wait_for_rules(&mut self, endpoints: usize) -> Result<()> {
        let node = &self.node;
        let are_read = || http::endpoints_in_rules(node) == Some(endpoints);
        if !RULES.holds(&mut self.process, are_read)? {
            note(&format!(
                "{} has not read the rules yet: spans may lack the names of services",
                self.name
            ));
        }
        Ok(())
    }

    /// Stops it, and waits until it has flushed.
    ///
    /// # Errors
    /// When it had ended before, or ends with a failure.
    pub(super) fn stop(&mut self) -> Result<()> {
        end(&mut self.process, STOP_LIMIT).with_context(|| self.name.clone())
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// When it has ended, with the end of its log.
    pub(super) fn check(&mut self) -> Result<()> {
        check(&mut self.process).with_context(|| self.name.clone())
    }

    /// The warnings and errors in its log, after its name: what it could not see, what it lost.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let warnings = warnings_in(&self.process.log()).into_iter();
        warnings.map(|warning| format!("{}: {warning}", self.name))
    }

    fn wait_until(&mut self, does: &str, condition: impl Fn(&Node) -> bool) -> Result<()> {
        let node = &self.node;
        let ready = START.until(&mut self.process, does, || condition(node));
        ready.with_context(|| self.name.clone())
    }
}

/// The lines of a log in tracing's format whose level is WARN or ERROR, without the time.
fn warnings_in(log: &str) -> Vec<String> {
    let warning = |line: &str| {
        let (level, text) = line.split_once(' ')?.1.trim_start().split_once(' ')?;
        matches!(level, "WARN" | "ERROR").then(|| text.to_owned())
    };
    log.lines().filter_map(warning).collect()
}

/// Whether both OTLP ports of this network namespace accept connections.
fn accepts_otlp() -> bool {
    OTLP_PORTS.iter().all(|port| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    })
}

/// A failure of the application, and the end of the part that explains it, if one has ended.
pub(super) fn explain(parts: &mut [Part], failure: anyhow::Error) -> anyhow::Error {
    match parts.iter_mut().try_for_each(Part::check) {
        Ok(()) => failure,
        Err(ended) => anyhow!("{failure:#}\n  {ended:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_of_a_log() {
        let log = "2026-11-22T08:55:13.1Z  WARN tracer_user::run: sock_recv_length is not attached: no such hook\n\
                   hopspan: attached\n\
                   2026-11-22T08:55:13.1Z  INFO tracer_user::run::report: 13 exchanges, 11 traced; 443 spans sent\n\
                   2026-11-22T08:55:13.1Z ERROR tracer_user::run::report: lost: []; 0 records refused\n\n";
        let expected = [
            "tracer_user::run: sock_recv_length is not attached: no such hook",
            "tracer_user::run::report: lost: []; 0 records refused",
        ];
        assert_eq!(warnings_in(log), expected);
    }
}
