//! A HotROD-shaped application: the traffic that hopspan traces in its lab.
//!
//! In: HTTP/1.1 and gRPC requests, the `OTEL_*` variables. Out: answers, spans by OTLP. One binary,
//! five subcommands in the shape of Jaeger's HotROD: `client` sends `GET /dispatch`, `frontend`
//! calls `customer` once over HTTP, `driver` once over gRPC and `route` ten times over HTTP. It is
//! an ordinary instrumented application and knows nothing of hopspan.

mod addresses;
mod city;
mod telemetry;

mod call;
mod pool;
mod server;
mod upstream;

mod driver_service;

mod customer;
mod driver;
mod frontend;
mod route;

mod client;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::telemetry::Telemetry;
use crate::upstream::Upstream;

/// HotROD-shaped application: rides on demand, five services, OpenTelemetry throughout.
///
/// The OTEL_* variables configure the export of spans: OTLP, over gRPC unless
/// OTEL_EXPORTER_OTLP_PROTOCOL is set otherwise. SIGTERM and SIGINT end a service: requests in
/// progress are answered, spans are flushed, the exit code is 0.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// Answers GET /dispatch?customer=ID with the nearest driver and its time of arrival
    Frontend(FrontendArgs),
    /// Answers GET /customer?customer=ID with the customer's name and location
    Customer(ListenArgs),
    /// Answers driver.DriverService/FindNearest (gRPC, cleartext HTTP/2) with ten drivers
    Driver(ListenArgs),
    /// Answers GET /route?pickup=X,Y&dropoff=X,Y with a travel time
    Route(ListenArgs),
    /// Sends dispatches to a frontend and prints one line of JSON for each
    Client(client::ClientArgs),
}

#[derive(Debug, Args)]
struct ListenArgs {
    /// Address and port to serve on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

#[derive(Debug, Args)]
struct FrontendArgs {
    #[command(flatten)]
    listen: ListenArgs,
    /// The customer service
    #[arg(long, value_name = "URL")]
    customer: Upstream,
    /// The driver service
    #[arg(long, value_name = "URL")]
    driver: Upstream,
    /// The route service
    #[arg(long, value_name = "URL")]
    route: Upstream,
}

impl Service {
    /// The `service.name` where the environment sets none.
    fn name(&self) -> &'static str {
        match self {
            Self::Frontend(_) => "frontend",
            Self::Customer(_) => "customer",
            Self::Driver(_) => "driver",
            Self::Route(_) => "route",
            Self::Client(_) => "client",
        }
    }
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .init();

    match run(Cli::parse().service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(service: Service) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("start the async runtime")?;
    let telemetry = Telemetry::start(service.name(), runtime.handle())?;
    let result = runtime.block_on(serve(service, telemetry.pod_name()));
    // The runtime must still exist here: it has the exporter's connection.
    telemetry.stop();
    result
}

async fn serve(service: Service, pod_name: Arc<str>) -> anyhow::Result<()> {
    // Installed before `listening on` is printed: a signal may follow that line at once.
    let terminated = terminated()?;
    match service {
        Service::Frontend(args) => {
            let frontend = frontend::Frontend::new(args.customer, args.driver, args.route)?;
            let listener = listen(&args.listen).await?;
            server::serve(listener, frontend, pod_name, terminated).await;
        }
        Service::Customer(args) => {
            let listener = listen(&args).await?;
            server::serve(listener, customer::Customers, pod_name, terminated).await;
        }
        Service::Driver(args) => {
            driver::serve(listen(&args).await?, pod_name, terminated).await?;
        }
        Service::Route(args) => {
            let listener = listen(&args).await?;
            server::serve(listener, route::Routes, pod_name, terminated).await;
        }
        Service::Client(args) => client::run(args, terminated).await?,
    }
    Ok(())
}

async fn listen(args: &ListenArgs) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listen on {}", args.listen))?;
    let address = listener
        .local_addr()
        .context("read the listening address")?;
    eprintln!("listening on {address}");
    Ok(listener)
}

/// Completes on the first SIGTERM or SIGINT. The handlers are installed when this returns, not when
/// the future is first polled.
fn terminated() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("handle SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
