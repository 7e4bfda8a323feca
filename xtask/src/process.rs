//! Processes of the lab: whether one runs, when it is ready, and its end. In: a process. Out: its
//! state, and in every error the end of its log.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use hopspan_lab::Process;

use crate::progress;

/// How often a condition is checked.
const POLL: Duration = Duration::from_millis(2);

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

/// Waits while the process runs: true when the condition holds, false when it does not within
/// `limit`.
///
/// # Errors
/// When the process ends first.
pub(crate) fn holds_within(
    process: &mut Process,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<bool> {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return Ok(true);
        }
        check(process)?;
        if Instant::now() > end {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
}

/// Waits until the condition holds, which `does` names: `listen`, `attach`.
///
/// # Errors
/// When the process ends first, and when the condition does not hold within `limit`.
pub(crate) fn wait_until(
    process: &mut Process,
    does: &str,
    limit: Duration,
    condition: impl FnMut() -> bool,
) -> Result<()> {
    let holds = holds_within(process, limit, condition)?;
    let waited = progress::duration(limit);
    ensure!(
        holds,
        "{} does not {does} within {waited}{}",
        process.name(),
        tail(process)
    );
    Ok(())
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
