//! An agent of a fixture: `hopspan run` on a node.
//!
//! In: a node, the cgroup whose sockets the agent follows, arguments. Out: the agent once it is
//! ready, and its metrics. Its HTTP port is polled on one connection, which is opened before the
//! agent attaches, and by a client outside of that cgroup: the programs leave the agent's answers
//! out. At most one, sent while the hooks are being attached, is a journey, which expires.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use hopspan_lab::{ClockShift, HttpClient, Node, Process, Signal, kube_proxy::Service};

use crate::binary;

/// Where an agent answers unless `--listen` names another place.
pub const AGENT_PORT: u16 = 9464;
/// How long an agent may take to attach, to read rules or to list objects, on a machine that may be
/// compiling beside it.
const WAIT_LIMIT: Duration = Duration::from_secs(60);
/// How long a process may take to flush and end.
const END_LIMIT: Duration = Duration::from_secs(60);
pub(crate) const LONG_QUEUE: u32 = 500_000;
const READY_POLL: Duration = Duration::from_millis(20);
/// The agent publishes its metrics once a second, and writing a scrape takes its time.
const METRICS_POLL: Duration = Duration::from_millis(100);

/// A running agent.
pub struct Agent {
    /// Its process.
    pub process: Process,
    http: HttpClient,
}

/// How an agent is started.
pub(crate) struct AgentOptions<'a> {
    pub(crate) node: &'a Node,
    /// The agent follows the sockets of this cgroup and those below it.
    pub(crate) cgroup: &'a Path,
    /// A program with arguments that starts the agent with something missing, such as
    /// `prlimit --nofile=64`. Empty for none.
    pub(crate) starter: &'a [&'a str],
    /// More arguments for `hopspan run`.
    pub(crate) arguments: &'a [&'a str],
    /// The address of the collector, which takes OTLP over HTTP on port 4318.
    pub(crate) collector: IpAddr,
    /// The spans that its export queue holds; `None` is the default. A dev build exports a burst slowly,
    /// and most tests are about the spans, not about the speed of the export: they have a longer one.
    pub(crate) queue_spans: Option<u32>,
    /// How far the node's wall clock is off.
    pub(crate) wall_clock: Option<ClockShift>,
    /// What it logs (`RUST_LOG`), if not what it does by default.
    pub(crate) log_level: Option<&'a str>,
    /// Where the agent writes its report.
    pub(crate) report: PathBuf,
}

impl<'a> AgentOptions<'a> {
    /// An agent that follows its whole node and exports to a collector there.
    pub(crate) fn new(node: &'a Node, report: PathBuf) -> Self {
        Self {
            node,
            cgroup: node.cgroup_root(),
            starter: &[],
            arguments: &[],
            collector: Ipv4Addr::LOCALHOST.into(),
            queue_spans: Some(LONG_QUEUE),
            wall_clock: None,
            log_level: None,
            report,
        }
    }

    /// Starts the agent and waits until it is ready: it is attached and has read kube-proxy's
    /// rules.
    pub(crate) fn start(&self) -> Result<Agent> {
        let agent = binary("hopspan")?;
        let command = match self.starter {
            [] => self.node.command(agent),
            [program, arguments @ ..] => self.node.command(program).args(arguments).arg(agent),
        };
        let mut command = command
            .arg("run")
            .arg("--cgroup")
            .arg(self.cgroup)
            .arg("--report")
            .arg(&self.report)
            .args(self.arguments)
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}:4318", self.collector),
            )
            .env("NODE_NAME", self.node.name())
            // The nodes of a lab are one machine, with one id.
            .env(
                "OTEL_RESOURCE_ATTRIBUTES",
                format!("host.id={}", self.node.name()),
            );
        if let Some(level) = self.log_level {
            command = command.env("RUST_LOG", level);
        }
        if let Some(spans) = self.queue_spans {
            command = command.env("OTEL_BSP_MAX_QUEUE_SIZE", spans.to_string());
        }
        if !self.arguments.contains(&"--detail") {
            // Most tests check the hops of every exchange.
            command = command.args(["--detail", "hop"]);
        }
        if !self.arguments.contains(&"--paths") {
            // Most tests find their requests by the path, which has numbers.
            command = command.args(["--paths", "full"]);
        }
        // The agent computes wall time as the kernel's monotonic time plus the distance between its
        // own two clocks. Where its monotonic clock is behind, that distance is too long, and the
        // times that it exports are too late.
        let reversed = self.wall_clock.map(|shift| match shift {
            ClockShift::Ahead(by) => ClockShift::Behind(by),
            ClockShift::Behind(by) => ClockShift::Ahead(by),
        });
        if let Some(shift) = reversed {
            command = command.clock(shift);
        }
        let mut process = command.spawn()?;
        process.wait_listening(AGENT_PORT, WAIT_LIMIT)?;
        let http = HttpClient::connect(self.node, AGENT_PORT)?;
        let mut agent = Agent { process, http };
        agent.wait_until("ready", READY_POLL, |http| {
            Ok(http.get("/readyz")?.status == 200)
        })?;
        Ok(agent)
    }
}

impl Agent {
    /// Waits until the agent has read the rules of exactly these services, which have no address
    /// but their ClusterIP.
    ///
    /// # Errors
    /// As [`Self::wait_for_metrics`].
    pub fn wait_for_rules(&mut self, services: &[Service]) -> Result<()> {
        let decisions: usize = services.iter().map(|service| service.endpoints.len()).sum();
        let refusals = services
            .iter()
            .filter(|service| service.endpoints.is_empty())
            .count();
        let what = format!("at rules with {decisions} decisions and {refusals} refusals");
        self.wait_for_metrics(&what, |metrics| {
            metrics.value("hopspan_rules_decisions") == Some(decisions as f64)
                && metrics.value("hopspan_rules_refusals") == Some(refusals as f64)
        })
    }

    /// Waits until the agent's metrics are as expected; `state` describes that in the error.
    ///
    /// # Errors
    /// When the agent ends, or they are not after a minute.
    pub fn wait_for_metrics(
        &mut self,
        state: &str,
        is_expected: impl Fn(&Metrics) -> bool,
    ) -> Result<()> {
        self.wait_until(state, METRICS_POLL, |http| {
            Ok(is_expected(&Metrics(http.get("/metrics")?.body)))
        })
    }

    /// The agent's metrics as it published them last: it does once a second.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub fn metrics(&mut self) -> Result<Metrics> {
        Ok(Metrics(self.http.get("/metrics")?.body))
    }

    fn wait_until(
        &mut self,
        state: &str,
        poll: Duration,
        mut is_reached: impl FnMut(&mut HttpClient) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + WAIT_LIMIT;
        loop {
            let answer = is_reached(&mut self.http);
            if let Ok(true) = answer {
                return Ok(());
            }
            let ended = self.process.exit_status()?;
            ensure!(
                answer.is_ok() && ended.is_none() && Instant::now() < deadline,
                "the agent is not {state}: {answer:?}, exit status {ended:?}\n{}",
                self.process.log()
            );
            std::thread::sleep(poll);
        }
    }
}

/// One scrape of an agent's metrics, in the OpenMetrics text format.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics(String);

impl Metrics {
    /// The sum of the samples whose name and labels begin with this.
    pub fn sum(&self, beginning: &str) -> f64 {
        let samples = self.0.lines().filter(|line| line.starts_with(beginning));
        let values = samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }

    /// The value of a sample, named with its labels as the text has them: `name` or
    /// `name{label="value"}`.
    pub fn value(&self, sample: &str) -> Option<f64> {
        let of_sample = |line: &str| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok();
        self.0.lines().find_map(of_sample)
    }
}

/// Ends a process with SIGTERM.
pub(crate) fn end(process: &mut Process) -> Result<()> {
    process.signal(Signal::SIGTERM)?;
    let status = process.wait(END_LIMIT)?;
    ensure!(
        status.is_some_and(|status| status.success()),
        "{} ended with {status:?}:\n{}",
        process.name(),
        process.log()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_found_by_its_whole_name() {
        let metrics = Metrics(
            "# TYPE rules gauge\nrules 2\nrules_reads_total 5\nwatch{kind=\"pods\"} 1\n# EOF\n"
                .to_owned(),
        );
        assert_eq!(metrics.value("rules"), Some(2.0));
        assert_eq!(metrics.value("watch{kind=\"pods\"}"), Some(1.0));
        assert_eq!(metrics.value("watch"), None);
        assert_eq!(metrics.value("rules_reads"), None);
        assert_eq!(metrics.sum("rules"), 7.0);
    }
}
