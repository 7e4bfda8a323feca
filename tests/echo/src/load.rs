//! The load: numbered requests over a number of connections and streams.
//!
//! Each connection has its own range of successive numbers. Successive requests have different
//! statuses, so a pairing that is off by one is visible.

use std::{
    cell::{Cell, RefCell},
    fs::File,
    io::{BufWriter, Write},
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use tokio::task::{JoinSet, LocalSet};

use crate::{
    addresses::Addresses,
    client::{self, Client, Target},
    schedule::Schedule,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    client: client::ClientArgs,
    /// Connections, all kept open
    #[arg(long, default_value_t = 1)]
    connections: u64,
    /// Requests at a time on each connection; HTTP/2 only
    #[arg(long, default_value_t = 1)]
    streams: u32,
    /// Requests in total
    #[arg(long)]
    requests: u64,
    /// Requests a second in total [default: as fast as answers come]
    #[arg(long)]
    rate: Option<u32>,
    /// Write a line for each request: its number, when it was sent and answered, in nanoseconds
    /// since 1970, the client's address, and the server's and the client's as the server sees them
    #[arg(long)]
    record: Option<PathBuf>,
}

/// What all senders share.
struct Load {
    target: Target,
    schedule: Schedule,
    done: RefCell<Vec<Done>>,
}

struct Done {
    number: u64,
    sent_ns: u64,
    answered_ns: u64,
    client: SocketAddr,
    seen_by_server: Addresses,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let begin = Instant::now();
    let load = Rc::new(Load {
        target: args.client.url.clone(),
        schedule: Schedule::new(args.rate),
        done: RefCell::default(),
    });
    LocalSet::new().run_until(send_all(&args, &load)).await?;
    let done = load.done.take();
    if let Some(path) = &args.record {
        write(path, &done).with_context(|| format!("write {}", path.display()))?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({"requests": done.len(), "seconds": seconds})
    );
    Ok(())
}

async fn send_all(args: &Args, load: &Rc<Load>) -> anyhow::Result<()> {
    let mut senders = JoinSet::new();
    for connection in 0..args.connections {
        let start =
            |connection: u64| args.client.first + args.requests * connection / args.connections;
        let (first, end) = (start(connection), start(connection + 1));
        let next = Rc::new(Cell::new(first));
        let stream = load.target.connect().await?;
        let local = stream
            .local_addr()
            .context("read the address of a socket")?;
        let client = Client::on(stream, args.client.protocol).await?;
        for _ in 1..args.streams {
            if let Some(client) = client.share() {
                senders.spawn_local(send(Rc::clone(load), client, local, Rc::clone(&next), end));
            }
        }
        senders.spawn_local(send(Rc::clone(load), client, local, next, end));
    }
    while let Some(sender) = senders.join_next().await {
        sender.context("run a sender")??;
    }
    Ok(())
}

/// Sends requests of a connection's range until all of them are sent.
async fn send(
    load: Rc<Load>,
    mut client: Client,
    local: SocketAddr,
    next: Rc<Cell<u64>>,
    end: u64,
) -> anyhow::Result<()> {
    while next.get() < end {
        let number = next.replace(next.get() + 1);
        load.schedule.next().await;
        let sent_ns = now_ns();
        let seen_by_server = client.exchange(&load.target, number).await?;
        load.done.borrow_mut().push(Done {
            number,
            sent_ns,
            answered_ns: now_ns(),
            client: local,
            seen_by_server,
        });
    }
    Ok(())
}

fn write(path: &PathBuf, done: &[Done]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for Done {
        number,
        sent_ns,
        answered_ns,
        client,
        seen_by_server,
    } in done
    {
        let Addresses {
            server,
            client: seen,
        } = seen_by_server;
        writeln!(
            file,
            "{number} {sent_ns} {answered_ns} {client} {server} {seen}"
        )?;
    }
    file.flush()
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
