//! The two parts of hopspan in the lab: the viewer and the agent, each with the name people know it
//! by. In: a node and the command line. Out: processes that serve, or that are stopped so that they
//! flush; in every error the part's last words.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{self, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use hopspan_lab::{Node, Process};

use super::LabArgs;
use crate::progress;

/// Where the viewer listens inside the node, the ports that OTLP has registered for gRPC and HTTP.
const OTLP_PORTS: [u16; 2] = [4317, 4318];

/// The line with which the agent says that its programs are attached.
const ATTACHED: &str = "hopspan: attached";

/// A debug build's start, on a machine that compiles something else; the verifier takes seconds of
/// it.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Thousands of services take it a second or two.
const RULES_DEADLINE: Duration = Duration::from_secs(20);

/// How often a part's state is looked at.
const POLL: Duration = Duration::from_millis(20);

/// The agent's last batch goes over loopback, and the viewer prints from memory.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// A process of ours in the lab.
#[derive(Debug)]
pub(super) struct Part {
    name: String,
    process: Process,
}

impl Part {
    /// Starts the viewer: it prints to our stdout and forwards from our own network namespace, but
    /// listens in the node's.
    ///
    /// # Errors
    /// When it cannot be started, or does not listen in time.
    pub(super) fn viewer(node: &Node, args: &LabArgs) -> Result<Self> {
        let run = &args.run;
        let mut command = node
            .command("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", process::id()))
            .arg(&args.hopspan)
            .args(["view", "--netns"])
            .arg(node.netns_path())
            .args([
                "--grpc",
                &format!("0.0.0.0:{}", OTLP_PORTS[0]),
                "--http",
                &format!("0.0.0.0:{}", OTLP_PORTS[1]),
            ]);
        if let Some(json) = &run.json {
            command = command.arg("--json").arg(super::absolute(json)?);
        }
        if let Some(url) = &run.otlp {
            command = command.args(["--forward", url]);
        }
        if let Some(width) = run.width {
            command = command.args(["--width", &width.to_string()]);
        }
        if let Some(waterfalls) = run.waterfalls {
            command = command.args(["--waterfalls", &waterfalls.to_string()]);
        }
        // While the lab stays up, a trace is printed when it is complete.
        let flags = [("--at-end", !run.keep), ("--full", run.full)];
        command = command.args(
            flags
                .iter()
                .filter(|(_, is_set)| *is_set)
                .map(|(flag, _)| flag),
        );
        let mut viewer = Self {
            name: "the viewer".to_owned(),
            process: command.stdout(Stdio::inherit()).spawn()?,
        };
        viewer.wait_until("listen", |_| node.within(accepts_otlp).unwrap_or(false))?;
        Ok(viewer)
    }

    /// Starts a node's agent as a DaemonSet's pod with hostNetwork would run: in the node's namespace,
    /// for the node's cgroups. It exports to the viewer at `receiver`.
    ///
    /// # Errors
    /// When it cannot be started, or has not attached its programs in time.
    pub(super) fn agent(node: &Node, receiver: Ipv4Addr, args: &LabArgs) -> Result<Self> {
        let mut command = node
            .command(&args.hopspan)
            .args(["run", "--cgroup"])
            .arg(node.cgroup_root())
            .args(["--detail", &args.run.detail])
            .env("NO_COLOR", "1")
            .env("NODE_NAME", node.name())
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{receiver}:{}", OTLP_PORTS[0]),
            );
        if args.run.keep {
            command = command.env(super::hotrod::BATCH_DELAY.0, super::hotrod::BATCH_DELAY.1);
        }
        if args.run.debug {
            command = command.arg("--debug");
        }
        let mut agent = Self {
            name: match args.run.nodes {
                1 => "the agent".to_owned(),
                _ => format!("the agent of {}", node.name()),
            },
            process: command.spawn()?,
        };
        agent.wait_until("attach", |process| {
            process.log().lines().any(|line| line.contains(ATTACHED))
        })?;
        Ok(agent)
    }

    /// Waits until the agent has read rules that lead so many ways to a pod, and says when it has not: its spans name no
    /// services then.
    ///
    /// # Errors
    /// When it ends first.
    pub(super) fn wait_for_rules(&mut self, ways: usize) -> Result<()> {
        let said = format!("rules name {ways} ways");
        let end = Instant::now() + RULES_DEADLINE;
        while !self.process.log().contains(&said) {
            self.check()?;
            if Instant::now() > end {
                let waited = progress::duration(RULES_DEADLINE);
                progress::note(&format!(
                    "{} has not read the rules after {waited}: spans may lack the names of services",
                    self.name
                ));
                return Ok(());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Asks it to end, and waits until it has flushed.
    ///
    /// # Errors
    /// When it had ended before, or ends with a failure.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.check()?;
        let status = self.process.terminate(STOP_DEADLINE)?;
        if !status.success() {
            bail!(
                "{} did not end well: {status}{}",
                self.name,
                self.last_words()
            );
        }
        Ok(())
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The warnings and errors it has logged: what it could not see, what it lost.
    pub(super) fn complaints(&self) -> Vec<String> {
        complaints_in(&self.process.log())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it does not, with its last words.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.process.exit_status()? {
            None => Ok(()),
            Some(status) => bail!("{} ended early: {status}{}", self.name, self.last_words()),
        }
    }

    fn wait_until(&mut self, does: &str, ready: impl Fn(&Process) -> bool) -> Result<()> {
        let end = Instant::now() + START_DEADLINE;
        while !ready(&self.process) {
            self.check()?;
            if Instant::now() > end {
                let waited = progress::duration(START_DEADLINE);
                bail!(
                    "{} does not {does} after {waited}{}",
                    self.name,
                    self.last_words()
                );
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        self.process
            .log_path()
            .map(|path| format!("\n{}", progress::tail(path)))
            .unwrap_or_default()
    }
}

/// The lines of a log in tracing's format whose level is WARN or ERROR, without the time.
fn complaints_in(log: &str) -> Vec<String> {
    let complaint = |line: &str| {
        let (level, said) = line.split_once(' ')?.1.trim_start().split_once(' ')?;
        matches!(level, "WARN" | "ERROR").then(|| said.to_owned())
    };
    log.lines().filter_map(complaint).collect()
}

/// Whether something accepts connections on both OTLP ports, here.
fn accepts_otlp() -> bool {
    OTLP_PORTS.iter().all(|port| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    })
}

/// Adds to a failure in the application the death of the part that explains it, if one has died.
pub(super) fn explain(parts: &mut [Part], failure: anyhow::Error) -> anyhow::Error {
    match parts.iter_mut().try_for_each(Part::check) {
        Ok(()) => failure,
        Err(death) => anyhow!("{failure:#}\n  {death:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_warnings_and_errors() {
        let log = "2026-11-22T08:55:13.1Z  WARN tracer_user::run: sock_recv_length is not attached: no such hook\n\
                   hopspan: attached\n\
                   2026-11-22T08:55:13.1Z  INFO tracer_user::run::report: 13 exchanges, 11 traced; 443 spans sent\n\
                   2026-11-22T08:55:13.1Z ERROR tracer_user::run::report: lost: []; 0 records refused\n\n";
        let expected = [
            "tracer_user::run: sock_recv_length is not attached: no such hook",
            "tracer_user::run::report: lost: []; 0 records refused",
        ];
        assert_eq!(complaints_in(log), expected);
    }
}
