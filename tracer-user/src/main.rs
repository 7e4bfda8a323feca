//! The `hopspan` binary: the agent and the viewer.

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Shows the network path of a request inside the trace of the application.
#[derive(Parser, Debug)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Run(tracer_user::run::Args),
    /// Receive OTLP and show traces in the terminal.
    View(tracer_view::Args),
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let level = match &cli.command {
        Command::Run(args) if args.debug => {
            "debug,aya=info,aya_obj=info,h2=info,hyper=info,hyper_util=info,reqwest=info,tonic=info"
        }
        _ => "info,opentelemetry=warn",
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into()))
        .init();
    match cli.command {
        Command::Run(args) => tracer_user::run::run(args).await,
        Command::View(args) => tracer_view::run(args).await,
    }
}
