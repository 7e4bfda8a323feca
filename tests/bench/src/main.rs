//! `hopspan-bench`: what a benchmark needs beside the agent and its load.
//!
//! In: the command line. Out: a receiver that counts spans, traffic that carries no message, and the
//! kernel's run times of an agent's programs. It measures nothing by itself: `cargo xtask bench` does.

mod chat;
mod programs;
mod sink;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "What `cargo xtask bench` runs in the lab")]
enum Command {
    /// Receives OTLP over HTTP and counts; `GET /totals` tells what
    Sink(sink::Args),
    /// Answers every message of a connection with the same bytes, none of which is HTTP
    ChatServer(chat::ServerArgs),
    /// Sends messages that are no HTTP, each after the answer to the one before
    Chat(chat::ClientArgs),
    /// Tells the kernel's run times of an agent's programs, and of empty ones beside them
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
