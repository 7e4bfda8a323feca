//! `hopspan run`: the agent.
//!
//! One task owns the state: it drains the ring buffer into the pipeline. Tasks of their own do the
//! I/O: the export, and the reading of rules. The end comes by SIGTERM or SIGINT: detach, take what
//! is left in the kernel, flush, report.

mod agent;
mod names;
mod report;
mod rules;

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    attach::{self, Options},
    export::{Exporter, node_name},
};

pub use names::NamesArgs;

use agent::Agent;
use names::Names;

/// How long the last spans may take to leave: less than the 30 s after which Kubernetes kills.
const FLUSH: Duration = Duration::from_secs(25);

/// Follow the packets of this node's pods, and export their hops as spans.
///
/// Runs in the node's network namespace, as a DaemonSet with hostNetwork does. Where the spans go
/// is set by the standard variables: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL
/// (http/protobuf by default, or grpc), OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME,
/// OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
/// OTEL_BSP_MAX_QUEUE_SIZE. NODE_NAME names the node: `spec.nodeName` of its pods.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Follow the sockets below this cgroup only [default: the root of the cgroup v2 file system]
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,

    /// Write the raw records to FILE, for a replay
    ///
    /// The file holds the heads of all requests, with all their headers: handle it like a packet
    /// capture.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Where names come from.
    #[command(flatten)]
    pub names: NamesArgs,

    /// Write the agent's counters to FILE at the end, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Let the kernel programs log each packet of interest. For development: it is slow
    #[arg(long)]
    pub debug: bool,

    /// Use the programs for old kernels. For tests
    #[arg(long, hide = true)]
    pub only_fallbacks: bool,
}

/// Runs until a signal ends it.
///
/// # Errors
///
/// When the agent cannot attach, export, or write the files it was told to.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let options = Options {
        cgroup: match args.cgroup {
            Some(cgroup) => cgroup,
            None => cgroup2_root()?,
        },
        debug: args.debug,
        only_fallbacks: args.only_fallbacks,
    };
    let mut signals = Signals::new()?;
    let exporter = Exporter::start().context("set up the OTLP export")?;
    let attached = attach::attach(&options)?;
    for missing in &attached.missing {
        tracing::warn!(
            "{} is not attached: {}",
            missing.hook.name(),
            missing.reason
        );
    }
    let node = node_name();
    let names = Names::start(&args.names, &options.cgroup, &node).await?;
    let mut agent = Agent::new(attached, exporter, names, &node, args.record.as_deref())?;
    agent.first_names().await;
    agent.first_rules().await;
    // Whoever started the agent may wait for this line.
    eprintln!("hopspan: attached");
    tokio::select! {
        () = signals.next() => {}
        () = agent.follow() => {}
    }
    let report = agent.finish(FLUSH).await?;
    if let Some(path) = &args.report {
        report
            .write(path)
            .with_context(|| format!("write the report to {}", path.display()))?;
    }
    report.log();
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Where the cgroup v2 file system is: /sys/fs/cgroup, or below it where v1 has that place.
fn cgroup2_root() -> anyhow::Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(path))
        })
        .next()
        .context("no cgroup v2 file system is mounted: hopspan follows sockets by their cgroup v2; mount one at /sys/fs/cgroup")
}
