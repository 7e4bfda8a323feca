//! Runs the viewer. In: arguments, a stop signal, a writer. Out: waterfalls, then the table, on the
//! writer. One task owns the store and the writer; the receivers own their sockets.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::args::Args;
use crate::page::Page;
use crate::receive::{Batch, Intake, grpc, http, listen};
use crate::render::Losses;
use crate::sink::forward::Forward;
use crate::sink::json::JsonFile;
use crate::store::{Limits, Store};

/// How long requests that have begun may take when the viewer ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The addresses that the viewer listens on, with the ports that the kernel chose for port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// OTLP over gRPC.
    pub grpc: SocketAddr,
    /// OTLP over HTTP.
    pub http: SocketAddr,
}

/// Runs the viewer on stdout until SIGTERM or SIGINT. When it is ready, it prints the addresses
/// that it listens on to stderr, one line per protocol.
///
/// # Errors
/// When an address cannot be bound, the namespace cannot be entered, the URL of `--forward` is
/// invalid, or the `--json` file cannot be written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("handle SIGINT")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let ready = |bound: Bound| {
        eprintln!("listening on {} (OTLP over gRPC)", bound.grpc);
        eprintln!(
            "listening on {} (OTLP over HTTP, POST /v1/traces)",
            bound.http
        );
    };
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    view(args, stdout, is_terminal, stop, ready).await
}

/// Runs the viewer on `out` until `stop`; calls `ready` once it listens.
///
/// # Errors
/// As [`run`].
pub async fn view(
    args: Args,
    out: impl Write,
    is_terminal: bool,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(Bound),
) -> anyhow::Result<()> {
    let json = args.json.as_deref().map(JsonFile::open).transpose()?;
    let forward = args.forward.as_deref().map(Forward::start).transpose()?;
    let [grpc, http] = listen::listen([args.grpc, args.http], args.netns.as_deref())?;
    let bound = Bound {
        grpc: grpc.local_addr()?,
        http: http.local_addr()?,
    };
    let (intake, batches) = Intake::new();
    let receivers = Receivers::start(grpc, http, intake)?;
    ready(bound);
    let viewer = Viewer {
        store: Store::new(limits(&args)),
        page: Page::new(&args, out, is_terminal),
        losses: Losses::default(),
        json,
        json_error: None,
        forward,
        quiet: (!args.at_end).then(|| Duration::from_millis(args.quiet_ms)),
    };
    viewer.run(batches, receivers, stop).await
}

fn limits(args: &Args) -> Limits {
    Limits {
        traces: args.max_traces,
        spans: args.max_spans,
        spans_per_trace: (args.max_spans / 20).max(20_000),
    }
}

/// The two servers.
struct Receivers {
    stop: watch::Sender<bool>,
    servers: JoinSet<anyhow::Result<()>>,
}

impl Receivers {
    fn start(grpc: TcpListener, http: TcpListener, intake: Intake) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let until = |mut stopped: watch::Receiver<bool>| async move {
            // An error means that the sender is gone, which is a stop too.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let mut servers = JoinSet::new();
        let grpc = tokio::net::TcpListener::from_std(grpc).context("listen for gRPC")?;
        let http = tokio::net::TcpListener::from_std(http).context("listen for HTTP")?;
        let (grpc_intake, grpc_stop) = (intake.clone(), until(stopped.clone()));
        let serve_grpc = grpc::serve(grpc, grpc_intake, grpc_stop);
        let serve_http = http::serve(http, intake, until(stopped));
        servers.spawn(async { serve_grpc.await.context("serve OTLP over gRPC") });
        servers.spawn(async { serve_http.await.context("serve OTLP over HTTP") });
        Ok(Self { stop, servers })
    }

    /// Accepts no more connections, waits [`DRAIN_TIMEOUT`] for requests that have begun, and then
    /// ends the servers.
    async fn stop(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.servers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, all).await;
        self.servers.shutdown().await;
    }
}

struct Viewer<W> {
    store: Store,
    page: Page<W>,
    losses: Losses,
    json: Option<JsonFile>,
    json_error: Option<anyhow::Error>,
    forward: Option<Forward>,
    /// A trace is printed after this time without a new span; `None`: traces are printed at the end
    /// only.
    quiet: Option<Duration>,
}

impl<W: Write> Viewer<W> {
    async fn run(
        mut self,
        mut batches: mpsc::Receiver<Batch>,
        mut receivers: Receivers,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let mut stop = std::pin::pin!(stop);
        let step = self
            .quiet
            .map_or(Duration::from_secs(3_600), |quiet| quiet / 4);
        let mut tick = tokio::time::interval(step.max(Duration::from_millis(20)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(batch) = batches.recv() => self.receive(batch),
                Some(ended) = receivers.servers.join_next() => {
                    ended.context("a receiver panicked")??;
                    anyhow::bail!("a receiver ended before the viewer");
                }
                _ = tick.tick() => if !self.print_quiet()? { break },
            }
        }
        self.drain(batches, receivers).await;
        self.finish().await
    }

    fn receive(&mut self, batch: Batch) {
        self.losses.rejected_spans += batch.rejected;
        self.store.insert(batch.spans, Instant::now());
        if let (Some(json), None) = (&mut self.json, &self.json_error)
            && let Err(error) = json.append(&batch.request)
        {
            eprintln!("warning: {error}; no more requests are written to the file");
            self.json_error = Some(error.into());
        }
        if let Some(forward) = &self.forward {
            forward.send(batch.request);
        }
    }

    /// Prints the traces that have become quiet. False when the output is closed.
    fn print_quiet(&mut self) -> anyhow::Result<bool> {
        let Some(quiet) = self.quiet else {
            return Ok(true);
        };
        for id in self.store.quiet(Instant::now(), quiet) {
            if let Some(trace) = self.store.get(id)
                && !self.page.live(trace)?
            {
                return Ok(false);
            }
            self.store.mark_printed(id);
        }
        Ok(true)
    }

    /// Receives the requests that have begun. Their senders may wait for room in the queue, so it
    /// is emptied meanwhile.
    async fn drain(&mut self, mut batches: mpsc::Receiver<Batch>, receivers: Receivers) {
        let mut stopped = std::pin::pin!(receivers.stop());
        loop {
            tokio::select! {
                () = &mut stopped => break,
                Some(batch) = batches.recv() => self.receive(batch),
            }
        }
        // A connection that hangs in the middle of a request may keep the queue open.
        batches.close();
        while let Some(batch) = batches.recv().await {
            self.receive(batch);
        }
    }

    async fn finish(mut self) -> anyhow::Result<()> {
        if let Some(forward) = self.forward.take() {
            self.losses.not_forwarded = forward.finish().await;
        }
        self.losses.store = self.store.counts();
        self.page.end(&self.store, &self.losses)?;
        self.json_error
            .map_or(Ok(()), |error| Err(error).context("--json is incomplete"))
    }
}
