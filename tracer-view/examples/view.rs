//! `hopspan view` by itself: `cargo run -p tracer-view --example view -- --help`.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: tracer_view::Args,
}

#[tokio::main]
async fn main() -> ExitCode {
    match tracer_view::run(Cli::parse().args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
