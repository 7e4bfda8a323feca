//! The `hopspan` binary: the agent, its doctor, those who watch it, the viewer, and what is made of
//! viewed traces.

mod manual;

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser};
use manual::{Completions, EXIT_STATUS, Man};
use tracer_user::error_chain::error_chain;
use tracing_subscriber::EnvFilter;

/// Shows the network path of a request inside the trace of the application.
#[derive(Parser, Debug)]
#[command(name = "hopspan", version, about, max_term_width = 100, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Run(tracer_user::run::Args),
    Doctor(tracer_user::doctor::Args),
    View(tracer_view::Args),
    Report(tracer_view::ReportArgs),
    Watch(tracer_watch::Args),
    Merge(tracer_view::MergeArgs),
    Completions(Completions),
    Man(Man),
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match &cli.command {
        Command::Run(args) if args.debug => {
            "debug,aya=info,aya_obj=info,h2=info,hyper=info,hyper_util=info,reqwest=info,tonic=info"
        }
        // Its page lists the warnings.
        Command::Doctor(_) => "error",
        _ => "info,opentelemetry=warn",
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // A reader of stderr that has gone away ends nothing: the library would print an error
        // about it, to stderr, and panic.
        .log_internal_errors(false)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into()))
        .init();
    run(cli.command).await.unwrap_or_else(|error| {
        // Without the backtrace that the error has where RUST_BACKTRACE is set.
        let _ = writeln!(std::io::stderr(), "error: {}", error_chain(&*error));
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => tracer_user::run::run(args).await?,
        Command::Doctor(args) => return tracer_user::doctor::run(&args),
        Command::View(args) => tracer_view::run(args).await?,
        Command::Report(args) => {
            let stdout = std::io::stdout();
            let is_terminal = stdout.is_terminal();
            tracer_view::report(args, stdout, is_terminal).await?;
        }
        Command::Watch(args) => tracer_watch::run(args).await?,
        Command::Merge(args) => tracer_view::merge_files(&args, std::io::stdout())?,
        Command::Completions(args) => args.print(Cli::command())?,
        Command::Man(args) => args.write(Cli::command())?,
    }
    Ok(ExitCode::SUCCESS)
}
