//! What an agent's programs cost the kernel.
//!
//! In: the agent's process id, and its cgroup. Out: for each connection to a Unix socket, one JSON
//! object: how often and how long each program has run, the same for empty programs beside them,
//! and the counters of the agent's programs. The kernel measures while this process lives
//! (BPF_ENABLE_STATS, kernel 5.8): no sysctl is changed.
//!
//! The time of a run includes the time that measuring it takes, and an empty program's run is
//! nothing else.

mod empty;
mod of_agent;
mod runs;

use std::{io::Write as _, os::unix::net::UnixListener, path::PathBuf};

use anyhow::Context as _;
use aya::sys::{Stats, enable_stats};

use empty::Empty;
use of_agent::OfAgent;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent
    #[arg(long, value_name = "PID")]
    agent: u32,
    /// The cgroup below which the agent follows sockets
    #[arg(long)]
    cgroup: PathBuf,
    /// Where to listen
    #[arg(long)]
    socket: PathBuf,
}

/// Answers until it is killed.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let of_agent = OfAgent::find(args.agent)?;
    let _measuring =
        enable_stats(Stats::RunTime).context("let the kernel measure programs (needs CAP_BPF)")?;
    let empty = Empty::attach(&args.cgroup)?;
    let listener = UnixListener::bind(&args.socket)
        .with_context(|| format!("listen on {}", args.socket.display()))?;
    eprintln!("listening on {}", args.socket.display());
    for stream in listener.incoming() {
        let mut stream = stream.context("accept a connection")?;
        let snapshot = serde_json::json!({
            "programs": of_agent.runs()?,
            "empty": empty.runs()?,
            "counters": of_agent.counters()?,
        });
        // The client may have closed the connection.
        let _ = stream.write_all(snapshot.to_string().as_bytes());
    }
    Ok(())
}
