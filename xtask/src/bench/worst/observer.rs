//! Observers of the traffic: the agent, and tcpdump. In: a load. Out: its rate, and what the
//! observer has seen and lost.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::fixture::agent::Follows;
use crate::bench::fixture::nginx::NginxFixture;
use crate::bench::settings::Settings;
use crate::process::{self, Wait};

const START: Wait = Wait::for_seconds(10);
const END_LIMIT: Duration = Duration::from_secs(30);

/// A load with an observer.
pub(super) struct Observed {
    /// Requests a second.
    pub(super) rate: f64,
    /// What was seen and lost.
    pub(super) lines: Vec<String>,
}

/// Starts an agent, loads, and ends the agent.
///
/// # Errors
/// When it does not start or end, or the load fails.
pub(super) fn agent(
    settings: &Settings,
    fixture: &NginxFixture,
    load: impl FnOnce() -> Result<f64>,
) -> Result<Observed> {
    let receiver = &fixture.receiver;
    let agent = receiver.agent(settings, Follows::Node, &[])?;
    let before = receiver.totals()?;
    let (agent_cpu, sink_cpu) = (agent.cpu_time()?, receiver.sink_cpu()?);
    let rate = load()?;
    let agent_cpu = (agent.cpu_time()? - agent_cpu).as_secs_f64();
    let report = agent.finish()?;
    let sink_cpu = (receiver.sink_cpu()? - sink_cpu).as_secs_f64();
    let exported = receiver.totals()?.since(before).exchanges;
    let lines = vec![
        format!(
            "{} journeys opened, {} records lost in the kernel",
            report.number(&["kernel", "journeys", "opened"])?,
            report.lost_in_kernel()?
        ),
        format!(
            "{} requests left out, because their trace is not sampled, and {} shed",
            report.left_out()?,
            report.shed()?
        ),
        format!(
            "{} exchanges followed, {} of them traced, {exported} exported",
            report.exchanges()?,
            report.number(&["pipeline", "exchanges_traced"])?,
        ),
        format!(
            "{} spans made, {} dropped or refused",
            report.number(&["pipeline", "spans"])?,
            report.spans_lost()?
        ),
        format!("processor time: agent {agent_cpu:.2} s, receiver {sink_cpu:.2} s"),
    ];
    Ok(Observed { rate, lines })
}

/// Runs tcpdump on the node, as an engineer would: every device, whole packets, to a file. It
/// writes two files of 100 MB in turn, so that a run does not fill the disk.
///
/// # Errors
/// When tcpdump does not start or end, or the load fails.
pub(super) fn tcpdump(
    fixture: &NginxFixture,
    load: impl FnOnce() -> Result<f64>,
) -> Result<Observed> {
    let directory = fixture.work_dir().join("tcpdump");
    fs::create_dir(&directory).with_context(|| format!("create {}", directory.display()))?;
    let mut tcpdump = fixture
        .receiver
        .node
        .command("tcpdump")
        .args(["-i", "any", "-C", "100", "-W", "2", "-Z", "root", "-w"])
        .arg(directory.join("packets"))
        .spawn()?;
    // tcpdump opens its first file after its socket.
    let captures = || directory.join("packets0").exists();
    START.until(&mut tcpdump, "capture", captures)?;
    let rate = load()?;
    process::end(&mut tcpdump, END_LIMIT)?;
    fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()))?;
    let log = tcpdump.log();
    let counts = log.lines().filter(|line| line.contains(" packets "));
    let lines = counts.map(|line| line.trim().to_owned()).collect();
    Ok(Observed { rate, lines })
}
