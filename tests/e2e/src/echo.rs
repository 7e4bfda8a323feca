//! The program `echo` in a node, a pod or on a host: as a server, as one end of a dialogue, as a
//! client with numbered requests.
//!
//! In: where it runs. Out: a running process, or what it recorded of its requests.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Result, ensure};
use hopspan_lab::{Command, Host, Node, Pod, Process};

use crate::{Answer, Step, binary};

/// How long a server may take to listen, on a machine that may be compiling beside it.
const LISTEN_LIMIT: Duration = Duration::from_secs(60);
/// How long a load of a few requests may take.
const LOAD_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Where a program can run.
pub trait RunsPrograms {
    /// A command that runs `program` there.
    fn command(&self, program: &Path) -> Command;
}

impl RunsPrograms for Pod {
    fn command(&self, program: &Path) -> Command {
        self.command(program)
    }
}

impl RunsPrograms for Node {
    fn command(&self, program: &Path) -> Command {
        self.command(program)
    }
}

impl RunsPrograms for Host {
    fn command(&self, program: &Path) -> Command {
        self.command(program)
    }
}

/// The command `echo`, still without arguments.
///
/// # Errors
/// When it is not built.
pub fn echo(place: &dyn RunsPrograms) -> Result<Command> {
    Ok(place.command(&binary("echo")?))
}

/// Starts a server of HTTP/1.1 and HTTP/2, and waits until it listens.
///
/// # Errors
/// When it does not.
pub fn echo_server(place: &dyn RunsPrograms, address: impl Into<SocketAddr>) -> Result<Process> {
    let address = address.into();
    let command = echo(place)?.args(["server", "--listen", &address.to_string()]);
    listening(command, address.port())
}

/// Starts a server that takes one connection and does these steps, and waits until it listens.
///
/// # Errors
/// When it does not.
pub fn play_server(
    place: &dyn RunsPrograms,
    address: SocketAddr,
    steps: &[Step],
) -> Result<Process> {
    let command = echo(place)?
        .args(["play", "--listen", &address.to_string()])
        .args(steps.iter().map(Step::as_argument));
    listening(command, address.port())
}

/// Starts a client that connects to a server and does these steps.
///
/// # Errors
/// When it cannot be started.
pub fn play_client(
    place: &dyn RunsPrograms,
    server: SocketAddr,
    steps: &[Step],
) -> Result<Process> {
    echo(place)?
        .args(["play", "--connect", &server.to_string()])
        .args(steps.iter().map(Step::as_argument))
        .spawn()
}

/// Starts the same client with TCP Fast Open: the first step, which sends, is in the SYN, if the
/// kernel has a cookie of the server.
///
/// # Errors
/// When it cannot be started.
pub fn play_fast_open_client(
    place: &dyn RunsPrograms,
    server: SocketAddr,
    steps: &[Step],
) -> Result<Process> {
    echo(place)?
        .args(["play", "--fast-open", "--connect", &server.to_string()])
        .args(steps.iter().map(Step::as_argument))
        .spawn()
}

pub(crate) fn listening(command: Command, port: u16) -> Result<Process> {
    let mut server = command.spawn()?;
    server.wait_listening(port, LISTEN_LIMIT)?;
    Ok(server)
}

/// Waits until a process has ended with success.
///
/// # Errors
/// When it fails, or takes longer than `limit`; the message has its log.
pub fn wait_for_success(process: &mut Process, limit: Duration) -> Result<()> {
    let ended = process.wait(limit)?;
    ensure!(
        ended.is_some_and(|status| status.success()),
        "{} ended with {ended:?}:\n{}",
        process.name(),
        process.log()
    );
    Ok(())
}

/// Waits until a process that plays has done its first `steps` steps, of which it reports each.
///
/// # Errors
/// When it ends before, or takes more than a minute.
pub fn wait_for_steps(process: &mut Process, steps: usize) -> Result<()> {
    let report = format!("did step {}\n", steps.saturating_sub(1));
    wait_for_output(process, &report, LOAD_LIMIT)
}

/// Waits until a program of the tests has printed `text`.
///
/// # Errors
/// When it ends before, or takes longer than `limit`.
pub fn wait_for_output(process: &mut Process, text: &str, limit: Duration) -> Result<()> {
    let deadline = std::time::Instant::now() + limit;
    while !process.log().contains(text) {
        let ended = process.exit_status()?;
        ensure!(
            ended.is_none() && std::time::Instant::now() < deadline,
            "{} has not printed {text:?}, exit status {ended:?}:\n{}",
            process.name(),
            process.log()
        );
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Requests over HTTP/1.1 to one address, as fast as they are answered.
#[derive(Clone, Copy, Debug)]
pub struct EchoLoad {
    /// The address that the client connects to.
    pub address: SocketAddr,
    /// Connections, which are all kept open.
    pub connections: u64,
    /// Requests in all.
    pub requests: u64,
    /// The number of the first request.
    pub first: u64,
}

impl EchoLoad {
    /// The command that sends the requests, and records them in a file that [`Answer::read`] reads.
    ///
    /// # Errors
    /// When `echo` is not built.
    pub fn command(&self, place: &dyn RunsPrograms, record: &Path) -> Result<Command> {
        let mut command = echo(place)?.args(["load", "--protocol", "h1"]);
        for (name, number) in [
            ("--connections", self.connections),
            ("--requests", self.requests),
            ("--first", self.first),
        ] {
            command = command.args([name, &number.to_string()]);
        }
        Ok(command
            .args(["--url", &format!("http://{}", self.address)])
            .arg("--record")
            .arg(record))
    }

    /// Sends the requests and returns them as they were answered.
    ///
    /// # Errors
    /// When one of them is not answered within a minute.
    pub fn run(&self, place: &dyn RunsPrograms, work_dir: &Path) -> Result<Vec<Answer>> {
        let record = work_dir.join(format!("answers-from-{}", self.first));
        self.command(place, &record)?.run(LOAD_LIMIT)?;
        let answers = Answer::read(&record)?;
        ensure!(
            answers.len() as u64 == self.requests,
            "{} answers to {self:?}",
            answers.len()
        );
        Ok(answers)
    }
}
