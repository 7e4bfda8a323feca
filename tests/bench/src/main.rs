//! `hopspan-bench`: the programs that a benchmark runs beside the agent and its load.
//!
//! In: the command line. Out: a receiver that counts spans, traffic without HTTP messages, and the
//! kernel's run times of an agent's programs. `cargo xtask bench` starts them and measures.

mod chat;
mod programs;
mod sink;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "What `cargo xtask bench` runs in the lab")]
enum Command {
    /// Receives OTLP over HTTP and counts; `GET /totals` returns the counts
    Sink(sink::Args),
    /// Answers every message of a connection with the same bytes
    ChatServer(chat::ServerArgs),
    /// Sends messages that are no HTTP, each after the answer to the previous one
    Chat(chat::ClientArgs),
    /// Serves the kernel's run times of an agent's programs, and of empty programs beside them
    Programs(programs::Args),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Sink(args) => sink::run(&args),
        Command::ChatServer(args) => chat::serve(&args),
        Command::Chat(args) => chat::talk(&args),
        Command::Programs(args) => programs::run(&args),
    }
}
