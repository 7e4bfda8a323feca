//! Who watches the traffic. In: a load to be watched. Out: its rate, and what was seen and lost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::super::ground::{Follows, Ground};
use super::super::root::Bench;
use super::super::said;
use super::iptables_trace;

/// How long something has to begin.
const BEGIN: Duration = Duration::from_secs(10);
/// How long it has to end.
const END: Duration = Duration::from_secs(30);

/// What watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watching {
    Agent,
    Tcpdump,
    IptablesTrace,
}

/// A load that was watched.
pub(super) struct Watched {
    /// Requests a second.
    pub(super) rate: f64,
    /// What was seen and lost, a line each.
    pub(super) seen: Vec<String>,
}

impl Watching {
    /// Starts it, loads, and ends it.
    ///
    /// # Errors
    /// When it does not start or end, or the load fails.
    pub(super) fn watch(
        self,
        bench: &Bench<'_>,
        ground: &Ground,
        load: impl FnOnce() -> Result<f64>,
    ) -> Result<Watched> {
        match self {
            Self::Agent => agent(bench, ground, load),
            Self::Tcpdump => tcpdump(ground, load),
            Self::IptablesTrace => iptables_trace::watch(ground, load),
        }
    }
}

fn agent(
    bench: &Bench<'_>,
    ground: &Ground,
    load: impl FnOnce() -> Result<f64>,
) -> Result<Watched> {
    let agent = ground.base.agent(bench, Follows::Node)?;
    let before = ground.base.totals()?;
    let (agent_cpu, sink_cpu) = (agent.cpu()?, ground.base.sink_cpu()?);
    let rate = load()?;
    let agent_cpu = agent.cpu()? - agent_cpu;
    let report = agent.finish()?;
    let sink_cpu = ground.base.sink_cpu()? - sink_cpu;
    let came = ground.base.totals()?.since(before);
    let seen = vec![
        format!(
            "{} journeys opened, {} records lost in the kernel",
            report.number(&["kernel", "journeys", "opened"])?,
            report.lost_in_kernel()?
        ),
        format!(
            "{} requests left out, which nobody traces, and {} shed",
            report.left_out()?,
            report.shed()?
        ),
        format!(
            "{} exchanges followed, {} of them traced, {} exported",
            report.exchanges()?,
            report.number(&["pipeline", "exchanges_traced"])?,
            came.exchanges
        ),
        format!(
            "{} spans made, {} dropped or refused",
            report.number(&["pipeline", "spans"])?,
            report.spans_lost()?
        ),
        format!(
            "processor time: agent {:.2} s, receiver {:.2} s",
            agent_cpu.as_secs_f64(),
            sink_cpu.as_secs_f64()
        ),
    ];
    Ok(Watched { rate, seen })
}

/// On the node, as an engineer would: every device, whole packets, to a file. The file is cut at
/// 100 MB and written anew, so that a run fills no disk.
fn tcpdump(ground: &Ground, load: impl FnOnce() -> Result<f64>) -> Result<Watched> {
    let directory = ground.work_dir().join("tcpdump");
    let made = fs::create_dir_all(&directory);
    made.with_context(|| format!("create {}", directory.display()))?;
    let mut tcpdump = ground
        .base
        .node
        .command("tcpdump")
        .args(["-i", "any", "-C", "100", "-W", "2", "-Z", "root", "-w"])
        .arg(directory.join("packets"))
        .spawn()?;
    said::wait(&mut tcpdump, "listening on", 0, BEGIN)?;
    let rate = load()?;
    let status = tcpdump.terminate(END)?;
    if !status.success() {
        bail!("tcpdump ended, {status}: {}", tcpdump.log());
    }
    remove(&directory)?;
    let said = tcpdump.log();
    let seen = said
        .lines()
        .filter(|line| line.contains(" packets "))
        .map(|line| line.trim().to_owned())
        .collect();
    Ok(Watched { rate, seen })
}

fn remove(directory: &Path) -> Result<()> {
    fs::remove_dir_all(directory).with_context(|| format!("remove {}", directory.display()))
}
