//! Connections that are opened and held, most of them idle.

use std::{cell::Cell, rc::Rc};

use anyhow::Context;
use tokio::{
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    task::{JoinSet, LocalSet},
};

use crate::{
    client::{self, Client},
    schedule::Schedule,
};

/// Connections that are opened at a time: fewer than the server's backlog.
const AT_A_TIME: usize = 32;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    client: client::ClientArgs,
    /// Connections in total
    #[arg(long)]
    connections: u64,
    /// Send one request on every N-th connection, and nothing on the others
    #[arg(long, value_name = "N")]
    request_every: u64,
    /// Connections opened a second
    #[arg(long)]
    rate: Option<u32>,
}

/// An open connection.
enum Held {
    Idle { _stream: TcpStream },
    Used { _client: Client },
}

/// What all openers share.
struct Opening {
    args: Args,
    schedule: Schedule,
    next: Cell<u64>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let opening = Rc::new(Opening {
        schedule: Schedule::new(args.rate),
        args,
        next: Cell::new(0),
    });
    let held = LocalSet::new().run_until(open_all(&opening)).await?;
    let requests = held
        .iter()
        .filter(|held| matches!(held, Held::Used { .. }))
        .count();
    eprintln!(
        "opened {} connections, sent {requests} requests",
        held.len()
    );
    terminate.recv().await;
    Ok(())
}

async fn open_all(opening: &Rc<Opening>) -> anyhow::Result<Vec<Held>> {
    let mut openers = JoinSet::new();
    for _ in 0..AT_A_TIME {
        openers.spawn_local(open(Rc::clone(opening)));
    }
    let mut held = Vec::new();
    while let Some(opener) = openers.join_next().await {
        held.extend(opener.context("run an opener")??);
    }
    Ok(held)
}

/// Opens connections one after the other until all are open.
async fn open(opening: Rc<Opening>) -> anyhow::Result<Vec<Held>> {
    let args = &opening.args;
    let every = args.request_every.max(1);
    let mut held = Vec::new();
    while opening.next.get() < args.connections {
        let connection = opening.next.replace(opening.next.get() + 1);
        opening.schedule.next().await;
        let stream = args.client.url.connect().await;
        let stream = stream.with_context(|| format!("open connection {connection}"))?;
        if !connection.is_multiple_of(every) {
            held.push(Held::Idle { _stream: stream });
            continue;
        }
        let mut client = Client::on(stream, args.client.protocol).await?;
        client
            .exchange(&args.client.url, args.client.first + connection / every)
            .await?;
        held.push(Held::Used { _client: client });
    }
    Ok(held)
}
