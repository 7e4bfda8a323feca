//! Waiting for what a process says. In: a process with a log, and the words. Out: that they are there,
//! or why they never will be.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hopspan_lab::Process;

/// How often a log is looked at: a start that is measured so is not much shorter.
const POLL: Duration = Duration::from_millis(1);

/// Waits until the log has these words, from the byte `from` on.
///
/// # Errors
/// When the process ends, or does not say it in time; with all that it has said.
pub(super) fn wait(process: &mut Process, what: &str, from: usize, limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    loop {
        let log = process.log();
        if log.get(from..).is_some_and(|log| log.contains(what)) {
            return Ok(());
        }
        if let Some(status) = process.exit_status()? {
            bail!("{} ended, {status}:\n{log}", process.name());
        }
        if Instant::now() > end {
            bail!("{} does not say {what:?}:\n{log}", process.name());
        }
        thread::sleep(POLL);
    }
}
