//! Processes of the lab: whether one runs, when it is ready, and its end. In: a process. Out: its
//! state, and in every error the end of its log.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use hopspan_lab::Process;

use crate::progress;

/// How long to wait for a condition, and how often to check it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    limit: Duration,
    poll: Duration,
}

/// Fails when the process has ended.
///
/// # Errors
/// When it has ended.
pub(crate) fn check(process: &mut Process) -> Result<()> {
    match process.exit_status()? {
        None => Ok(()),
        Some(status) => bail!("{} ended early: {status}{}", process.name(), tail(process)),
    }
}

impl Wait {
    /// For a cheap condition, whose moment counts.
    pub(crate) const fn for_seconds(seconds: u64) -> Self {
        Self {
            limit: Duration::from_secs(seconds),
            poll: Duration::from_millis(2),
        }
    }

    /// For a condition that costs the process time, such as a metric.
    pub(crate) const fn checking_seldom(self) -> Self {
        Self {
            poll: Duration::from_millis(100),
            ..self
        }
    }

    /// Waits while the process runs: true when the condition holds, false when the time is over.
    ///
    /// # Errors
    /// When the process ends first.
    pub(crate) fn holds(
        self,
        process: &mut Process,
        mut condition: impl FnMut() -> bool,
    ) -> Result<bool> {
        let end = Instant::now() + self.limit;
        loop {
            if condition() {
                return Ok(true);
            }
            check(process)?;
            if Instant::now() > end {
                return Ok(false);
            }
            thread::sleep(self.poll);
        }
    }

    /// Waits until the condition holds, which `does` names: `listen`, `become ready`.
    ///
    /// # Errors
    /// When the process ends first, and when the time is over.
    pub(crate) fn until(
        self,
        process: &mut Process,
        does: &str,
        condition: impl FnMut() -> bool,
    ) -> Result<()> {
        let holds = self.holds(process, condition)?;
        let waited = progress::duration(self.limit);
        ensure!(
            holds,
            "{} does not {does} within {waited}{}",
            process.name(),
            tail(process)
        );
        Ok(())
    }
}

/// Sends SIGTERM and waits for the end.
///
/// # Errors
/// When it had ended before, when it ends with a failure, and when it has to be killed after
/// `limit`.
pub(crate) fn end(process: &mut Process, limit: Duration) -> Result<()> {
    check(process)?;
    let status = process.terminate(limit)?;
    ensure!(
        status.success(),
        "{} did not end well: {status}{}",
        process.name(),
        tail(process)
    );
    Ok(())
}

fn tail(process: &Process) -> String {
    let log = process.log_path().map(progress::tail);
    log.map_or_else(String::new, |tail| format!("\n{tail}"))
}
