//! The agent under measurement. In: a node. Out: how long it took to start, what it uses, and what it
//! has counted at its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hopspan_lab::{Node, Process};
use nix::unistd::{SysconfVar, sysconf};

use super::super::root::Bench;
use super::super::said;
use super::{OTLP_PORT, Report};

/// The line with which it says that all is attached.
const ATTACHED: &str = "hopspan: attached";
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Its own limit is 25 s.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// Thousands of services take it a second or two.
const RULES_DEADLINE: Duration = Duration::from_secs(60);

/// Whose sockets it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Follows {
    /// All of the node, its own and the receiver's among them: as in a cluster.
    Node,
    /// Those of pods alone, so that every exchange is one of the load.
    Pods,
}

/// A running agent.
pub(in super::super) struct Agent {
    process: Process,
    report: PathBuf,
    /// From exec until it said that all is attached.
    pub(in super::super) attached_after: Duration,
}

impl Agent {
    /// Starts one, as it is shipped but for the receiver, and waits until it is attached.
    pub(super) fn start(
        bench: &Bench<'_>,
        node: &Node,
        work_dir: &Path,
        (follows, arguments): (Follows, &[&str]),
    ) -> Result<Self> {
        let report = work_dir.join("report.json");
        let cgroup = match follows {
            Follows::Node => node.cgroup_root().to_owned(),
            Follows::Pods => node.cgroup_root().join("kubepods"),
        };
        let command = node
            .command(bench.program("hopspan"))
            .args(["run", "--cgroup"])
            .arg(cgroup)
            .args(arguments)
            .arg("--report")
            .arg(&report)
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://127.0.0.1:{OTLP_PORT}"),
            )
            .env("NODE_NAME", node.name())
            .env("NO_COLOR", "1");
        let begin = Instant::now();
        let mut agent = Self {
            process: command.spawn()?,
            report,
            attached_after: Duration::ZERO,
        };
        said::wait(&mut agent.process, ATTACHED, 0, START_DEADLINE)?;
        agent.attached_after = begin.elapsed();
        Ok(agent)
    }

    /// Waits until it has read rules that lead so many ways to a pod.
    ///
    /// # Errors
    /// When it ends, or does not.
    pub(in super::super) fn wait_for_rules(&mut self, ways: usize) -> Result<()> {
        let what = format!("rules name {ways} ways");
        said::wait(&mut self.process, &what, 0, RULES_DEADLINE)
    }

    /// Its process id.
    pub(in super::super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The processor time that it has taken so far, in user space and in the kernel on its behalf.
    ///
    /// # Errors
    /// When it has ended.
    pub(in super::super) fn cpu(&self) -> Result<Duration> {
        cpu(self.pid())
    }

    /// Its resident memory now, bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub(in super::super) fn rss_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most that was ever resident, bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub(in super::super) fn peak_rss_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, key: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let kib = number(&status, key).with_context(|| format!("find {key} in {path}"))?;
        Ok(kib * 1024)
    }

    /// What the kernel charges for its maps, bytes (kernel: bpf_map_show_fdinfo).
    ///
    /// # Errors
    /// When it has ended.
    pub(in super::super) fn map_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/fdinfo", self.pid());
        let entries = fs::read_dir(&path).with_context(|| format!("read {path}"))?;
        let mut maps: Vec<(u64, u64)> = entries
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
            .filter_map(|text| Some((number(&text, "map_id:")?, number(&text, "memlock:")?)))
            .collect();
        // A map may be held by several descriptors.
        maps.sort_unstable();
        maps.dedup();
        Ok(maps.iter().map(|(_, bytes)| bytes).sum())
    }

    /// Ends it and reads what it has counted.
    ///
    /// # Errors
    /// When it does not end well.
    pub(in super::super) fn finish(mut self) -> Result<Report> {
        let status = self.process.terminate(STOP_DEADLINE)?;
        if !status.success() {
            bail!("the agent ended, {status}:\n{}", self.process.log());
        }
        Report::read(&self.report)
    }
}

/// The processor time of a process so far (proc_pid_stat(5), fields 14 and 15). The kernel scales the
/// sum of both to what the scheduler has measured, so ticks are its resolution and not its error.
pub(in super::super) fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("understand {path}"))?;
    let per_second = sysconf(SysconfVar::CLK_TCK)
        .context("ask for the clock tick")?
        .context("there is no clock tick")?;
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

fn ticks(stat: &str) -> Option<u64> {
    // The name of the program, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The number on the line that begins with `key`.
fn number(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1 1 1";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("42 (short) S 1"), None);
        assert!(cpu(std::process::id()).is_ok());
    }

    #[test]
    fn numbers_stand_behind_their_key() {
        let status = "Name:\thopspan\nVmHWM:\t   12345 kB\nVmRSS:\t 12000 kB\n";
        assert_eq!(number(status, "VmRSS:"), Some(12000));
        assert_eq!(number(status, "VmSwap:"), None);
    }
}
