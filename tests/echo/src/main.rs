//! `echo`: HTTP traffic in which every request has a visible number.
//!
//! In: the command line. Out: a server, a load, connections that are held open, a connection that
//! is scripted byte by byte, an attempt to connect that must fail, a flood, or raw packets. It exports no spans: a
//! tracer's spans are checked against the numbers of the requests.

mod addresses;
mod client;
mod descriptors;
mod fast_open;
mod flood;
mod knock;
mod load;
mod open;
mod packets;
mod play;
mod request_number;
mod schedule;
mod server;
mod step;

use std::net::SocketAddr;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "Numbered HTTP requests, and a server for them")]
enum Command {
    /// Answers HTTP/1.1 and HTTP/2 with prior knowledge on one port, until SIGTERM
    Server(server::Args),
    /// Sends numbered requests, each in a trace of its own
    Load(load::Args),
    /// Opens connections, sends one request on some of them, and holds all until SIGTERM
    Open(open::Args),
    /// Plays one end of a connection, byte by byte
    Play(play::Args),
    /// Tries to open a connection, and fails when it opens
    Knock(knock::Args),
    /// Sends messages as fast as the server takes them
    Flood(flood::Args),
    /// Sends IPv4 packets as they are, on a raw socket
    Packets(packets::Args),
    /// Reads whatever clients send, and answers nothing, until SIGTERM
    Sink {
        #[arg(long, value_name = "IP:PORT")]
        listen: SocketAddr,
    },
}

// One thread: on a small machine the traced node needs the other processors.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let command = Command::parse();
    descriptors::raise_limit()?;
    match command {
        Command::Server(args) => server::run(args).await,
        Command::Load(args) => load::run(args).await,
        Command::Open(args) => open::run(args).await,
        Command::Play(args) => play::run(args),
        Command::Knock(args) => knock::run(&args),
        Command::Flood(args) => flood::run(&args),
        Command::Packets(args) => packets::run(&args),
        Command::Sink { listen } => flood::sink(listen),
    }
}
