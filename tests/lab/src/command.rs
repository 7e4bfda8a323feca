//! A command that runs inside a node or a pod.
//!
//! In: a program, its arguments and a sandbox. Out: a [`Process`], or the [`Output`] of one that
//! ended. The child is in the sandbox before the program's first instruction, dies with the lab's
//! owner, and leads a process group of its own, so that Ctrl-C in a terminal reaches only the
//! owner.
//!
//! `ip netns exec` is not used: it mounts another /sys, which hides the cgroups.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getppid, sethostname, write};

use crate::clock::{self, ClockShift};
use crate::process::Process;
use crate::sandbox::Sandbox;

/// A command to run inside a node or a pod, from [`Node::command`](crate::Node::command) or
/// [`Pod::command`](crate::Pod::command). It inherits the owner's environment and working
/// directory.
#[derive(Debug)]
pub struct Command {
    sandbox: Sandbox,
    inner: StdCommand,
    stdout_is_set: bool,
    stderr_is_set: bool,
    clock: Option<ClockShift>,
}

/// The status and the output of a command that has ended.
#[derive(Debug)]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// The standard output, with invalid UTF-8 replaced.
    pub stdout: String,
    /// The standard error, with invalid UTF-8 replaced.
    pub stderr: String,
}

impl Command {
    pub(crate) fn new(sandbox: &Sandbox, program: impl AsRef<OsStr>) -> Self {
        let mut inner = StdCommand::new(program);
        inner.stdin(Stdio::null()).process_group(0);
        Self {
            sandbox: sandbox.clone(),
            inner,
            stdout_is_set: false,
            stderr_is_set: false,
            clock: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.inner.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.inner.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(key, value);
        self
    }

    /// Sets environment variables.
    pub fn envs(
        mut self,
        pairs: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        self.inner.envs(pairs);
        self
    }

    /// Shifts its CLOCK_MONOTONIC, in a time namespace. Wall time and the kernel's own timestamps
    /// (as from bpf_ktime_get_ns) stay the machine's. A program that converts the kernel's
    /// timestamps to wall time by its own two clocks is then off by the same amount in the opposite
    /// direction, like a program on a machine whose wall clock is off.
    pub fn clock(mut self, shift: ClockShift) -> Self {
        self.clock = Some(shift);
        self
    }

    /// Sends standard output to this target instead of the log, for example `Stdio::inherit()` or a
    /// `File`.
    pub fn stdout(mut self, target: impl Into<Stdio>) -> Self {
        self.inner.stdout(target);
        self.stdout_is_set = true;
        self
    }

    /// Sends standard error to this target instead of the log.
    pub fn stderr(mut self, target: impl Into<Stdio>) -> Self {
        self.inner.stderr(target);
        self.stderr_is_set = true;
        self
    }

    /// Sets the text of its standard input, which is empty otherwise.
    ///
    /// # Errors
    /// When the text cannot be stored.
    pub fn stdin_text(mut self, text: &str) -> Result<Self> {
        let mut file = unnamed_file()?;
        file.write_all(text.as_bytes())
            .context("store a command's standard input")?;
        file.rewind().context("rewind a command's standard input")?;
        self.inner.stdin(file);
        Ok(self)
    }

    /// Starts it. Standard output and error go to a log in the lab's work directory, named after
    /// the node or pod and the program, unless another target was set.
    ///
    /// # Errors
    /// When the program cannot be executed, or the lab was torn down.
    pub fn spawn(mut self) -> Result<Process> {
        let mut log_path = None;
        if !(self.stdout_is_set && self.stderr_is_set) {
            let (path, file) = self.sandbox.resources.create_log(&self.name())?;
            let duplicate = || {
                file.try_clone()
                    .with_context(|| format!("duplicate {}", path.display()))
            };
            if !self.stdout_is_set {
                self.inner.stdout(duplicate()?);
            }
            if !self.stderr_is_set {
                self.inner.stderr(duplicate()?);
            }
            log_path = Some(path);
        }
        self.start(log_path)
    }

    /// Runs it to its end and returns its output, also when it failed.
    ///
    /// # Errors
    /// When it cannot be started, or is still running after `deadline` (it is then killed).
    pub fn output(mut self, deadline: Duration) -> Result<Output> {
        let (stdout, stderr) = (unnamed_file()?, unnamed_file()?);
        let duplicate = |file: &File| file.try_clone().context("duplicate a command's output");
        self.inner.stdout(duplicate(&stdout)?);
        self.inner.stderr(duplicate(&stderr)?);
        let mut process = self.start(None)?;
        match process.wait(deadline)? {
            Some(status) => Ok(Output {
                status,
                stdout: read_all(stdout)?,
                stderr: read_all(stderr)?,
            }),
            None => bail!(
                "{} has not ended after {deadline:?} and was killed; it wrote: {}{}",
                process.name(),
                read_all(stdout)?,
                read_all(stderr)?
            ),
        }
    }

    /// Runs it to its end and returns its standard output.
    ///
    /// # Errors
    /// As [`Command::output`], and when it ended with a status other than 0.
    pub fn run(self, deadline: Duration) -> Result<String> {
        let name = self.name();
        let output = self.output(deadline)?;
        if !output.status.success() {
            bail!(
                "{name} failed, {}: {}",
                output.status,
                output.stderr.trim_end()
            );
        }
        Ok(output.stdout)
    }

    fn name(&self) -> String {
        let program = Path::new(self.inner.get_program())
            .file_name()
            .unwrap_or_default();
        format!("{}-{}", self.sandbox.name, program.display())
    }

    fn start(mut self, log_path: Option<PathBuf>) -> Result<Process> {
        let name = self.name();
        self.enter_sandbox()
            .with_context(|| format!("start {name}"))?;
        let child = self
            .sandbox
            .resources
            .spawn(self.inner)
            .with_context(|| format!("start {name}"))?;
        Ok(Process::new(child, name, log_path))
    }

    fn enter_sandbox(&mut self) -> Result<()> {
        let Sandbox { cgroup, netns, .. } = &self.sandbox;
        let procs = cgroup.join("cgroup.procs");
        let procs = File::options()
            .write(true)
            .open(&procs)
            .with_context(|| format!("open {}", procs.display()))?;
        let netns = File::open(netns).with_context(|| format!("open {}", netns.display()))?;
        let host_name = self.sandbox.host_name().map(str::to_owned);
        let owner = std::process::id();
        let clock = self.clock.map(ClockShift::offsets);
        let enter = move || {
            set_pdeathsig(Signal::SIGKILL)?;
            // If the owner died before the line above, the signal will never be sent.
            if u32::try_from(getppid().as_raw()) != Ok(owner) {
                return Err(Errno::ESRCH.into());
            }
            // 0 stands for the writer itself (kernel: cgroup_procs_write_start).
            write(&procs, b"0")?;
            setns(&netns, CloneFlags::CLONE_NEWNET)?;
            if let Some(host_name) = &host_name {
                unshare(CloneFlags::CLONE_NEWUTS)?;
                sethostname(host_name)?;
            }
            if let Some(offsets) = &clock {
                clock::enter(offsets)?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes only system calls that are
        // async-signal-safe, on descriptors opened before, and allocates nothing: its errors are
        // plain numbers.
        unsafe { self.inner.pre_exec(enter) };
        Ok(())
    }
}

/// A file in memory, for what a command reads or writes.
fn unnamed_file() -> Result<File> {
    let file = memfd_create(c"hopspan-lab", MFdFlags::MFD_CLOEXEC);
    Ok(file.context("make a file in memory")?.into())
}

fn read_all(mut file: File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .context("read a command's output")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
