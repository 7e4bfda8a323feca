//! A process in a node or a pod: wait until it is ready, wait until it ends, end it.
//!
//! In: a child and the path of its log. Out: its exit status, and the log's tail in every error.
//! Dropping it kills it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::listening;
use crate::poll::poll;

/// How many lines of a log an error shows, and how far from its end they may begin.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 16 * 1024;

/// A process started by [`Command::spawn`](crate::Command::spawn). Dropping it kills it and its
/// process group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log_path: Option<PathBuf>,
    status: Option<ExitStatus>,
}

impl Process {
    pub(crate) fn new(child: Child, name: String, log_path: Option<PathBuf>) -> Self {
        Self {
            child,
            name,
            log_path,
            status: None,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The node or pod and the program, as in the log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes; None when both streams go elsewhere.
    pub fn log_path(&self) -> Option<&Path> {
        self.log_path.as_deref()
    }

    /// What it has written so far; empty when its output goes elsewhere.
    pub fn log(&self) -> String {
        let bytes = self
            .log_path
            .as_ref()
            .and_then(|path| fs::read(path).ok())
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended, or None while it runs.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self
                .child
                .try_wait()
                .with_context(|| format!("wait for {}", self.name))?;
        }
        Ok(self.status)
    }

    /// Waits until a socket listens on the TCP port in the process's network namespace. Sends no
    /// packet.
    ///
    /// # Errors
    /// As [`Process::wait_until`].
    pub fn wait_listening(&mut self, port: u16, deadline: Duration) -> Result<()> {
        self.wait_until(&format!("listen on port {port}"), deadline, |process| {
            listening::is_listening(process.pid(), port)
        })
    }

    /// Waits until `is_ready`, which is called every 2 ms, returns true. Errors name the `action`
    /// that was waited for: "listen on port 80".
    ///
    /// # Errors
    /// When the process ends first, or `deadline` passes; with the tail of its log.
    pub fn wait_until(
        &mut self,
        action: &str,
        deadline: Duration,
        mut is_ready: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let ended = poll(deadline, || match self.exit_status() {
            Ok(None) => is_ready(self).then_some(Ok(None)),
            ended => Some(ended),
        });
        let (name, tail) = (&self.name, || self.log_tail());
        match ended.transpose()? {
            Some(None) => Ok(()),
            Some(Some(status)) => {
                bail!("{name} ended, {status}, before it could {action}{}", tail())
            }
            None => bail!("{name} did not {action} within {deadline:?}{}", tail()),
        }
    }

    /// Waits until it ends; None when it is still running after `deadline`.
    ///
    /// # Errors
    /// As [`Process::exit_status`].
    pub fn wait(&mut self, deadline: Duration) -> Result<Option<ExitStatus>> {
        poll(deadline, || self.exit_status().transpose()).transpose()
    }

    /// Sends it a signal, unless it has ended.
    ///
    /// # Errors
    /// As [`Process::exit_status`], and those of kill(2).
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // While it has not been waited for, the id is still its own.
        if self.exit_status()?.is_none() {
            kill(self.raw_pid(), signal)
                .with_context(|| format!("send {signal} to {}", self.name))?;
        }
        Ok(())
    }

    /// Sends SIGTERM, and SIGKILL when it is still running after `deadline`: the status is then
    /// signal 9.
    ///
    /// # Errors
    /// As [`Process::signal`].
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        match self.wait(deadline)? {
            Some(status) => Ok(status),
            None => self.kill(),
        }
    }

    /// Sends SIGKILL to its process group and waits for its end.
    ///
    /// # Errors
    /// As [`Process::exit_status`].
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.exit_status()? {
            return Ok(status);
        }
        killpg(self.raw_pid(), Signal::SIGKILL)
            .with_context(|| format!("send SIGKILL to {}", self.name))?;
        let status = self
            .child
            .wait()
            .with_context(|| format!("wait for {}", self.name))?;
        self.status = Some(status);
        Ok(status)
    }

    /// The end of the log, as it is appended to an error message.
    pub(crate) fn log_tail(&self) -> String {
        let Some(path) = &self.log_path else {
            return String::new();
        };
        let text = read_tail(path).unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        format!("\n  {} ends with:\n  {}", path.display(), tail.join("\n  "))
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("hopspan-lab: {error:#}");
        }
    }
}

/// The last bytes of a log, which may begin in the middle of a line.
fn read_tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
