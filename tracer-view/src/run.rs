//! Runs the viewer. In: arguments, a stop signal, a writer. Out: waterfalls, then the table, on the
//! writer; a page. One task owns the store and the writer; the servers own their sockets and ask for
//! what they need of the store.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::args::Args;
use crate::receive::{Batch, Intake, grpc, http, listen};
use crate::render::Losses;
use crate::sink::forward::Forward;
use crate::sink::json::JsonFile;
use crate::source;
use crate::store::{Limits, Store};
use crate::terminal::Terminal;
use crate::web::{self, Sets, StoreQuery};

/// How long requests that have begun may take when the viewer ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// What was received of a span takes so many bytes on average: a hop's less, a path's more.
const SOURCE_BYTES: usize = 512;

/// The addresses that the viewer listens on, with the ports that the kernel chose for port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// OTLP over gRPC.
    pub grpc: SocketAddr,
    /// OTLP over HTTP.
    pub http: SocketAddr,
    /// The page; `None` without one.
    pub page: Option<SocketAddr>,
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
        if let Some(page) = bound.page {
            eprintln!("page at http://{page}/");
        }
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
    let page = args.page.0.map(|page| listen::listen([page], None));
    let page = page.transpose()?.map(|[page]| page);
    let bound = Bound {
        grpc: grpc.local_addr()?,
        http: http.local_addr()?,
        page: page.as_ref().map(TcpListener::local_addr).transpose()?,
    };
    let limits = limits(&args);
    let (intake, batches) = Intake::new();
    let mut servers = Servers::start(grpc, http, intake)?;
    let (sets, queries) = Sets::new(limits);
    if let Some(page) = page {
        servers.serve_page(page, sets)?;
    }
    ready(bound);
    let terminal = Terminal::new(&args.output, args.full, args.waterfalls, out, is_terminal);
    let viewer = Viewer {
        store: Store::new(limits),
        terminal,
        keeps_sources: bound.page.is_some(),
        losses: Losses::default(),
        json,
        json_error: None,
        forward,
        quiet: (!args.at_end).then(|| Duration::from_millis(args.quiet_ms)),
    };
    viewer.run(batches, queries, servers, stop).await
}

fn limits(args: &Args) -> Limits {
    Limits {
        traces: args.max_traces,
        spans: args.max_spans,
        spans_per_trace: (args.max_spans / 20).max(20_000),
        source_bytes: match args.page.0 {
            Some(_) => args.max_spans.saturating_mul(SOURCE_BYTES),
            None => 0,
        },
    }
}

/// The servers.
struct Servers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Servers {
    fn start(grpc: TcpListener, http: TcpListener, intake: Intake) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let grpc = tokio::net::TcpListener::from_std(grpc).context("listen for gRPC")?;
        let http = tokio::net::TcpListener::from_std(http).context("listen for HTTP")?;
        let serve_grpc = grpc::serve(grpc, intake.clone(), until(stopped.clone()));
        let serve_http = http::serve(http, intake, until(stopped));
        tasks.spawn(async { serve_grpc.await.context("serve OTLP over gRPC") });
        tasks.spawn(async { serve_http.await.context("serve OTLP over HTTP") });
        Ok(Self { stop, tasks })
    }

    fn serve_page(&mut self, page: TcpListener, sets: Sets) -> anyhow::Result<()> {
        let page = tokio::net::TcpListener::from_std(page).context("listen for the page")?;
        let serve = web::serve(page, sets, until(self.stop.subscribe()));
        self.tasks
            .spawn(async { serve.await.context("serve the page") });
        Ok(())
    }

    /// Accepts no more connections, waits [`DRAIN_TIMEOUT`] for requests that have begun, and then
    /// ends the servers.
    async fn stop(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, all).await;
        self.tasks.shutdown().await;
    }
}

/// Ends when the servers are to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

struct Viewer<W> {
    store: Store,
    terminal: Terminal<W>,
    /// For the page: what was received of the spans.
    keeps_sources: bool,
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
        mut queries: mpsc::Receiver<StoreQuery>,
        mut servers: Servers,
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
                Some(query) = queries.recv() => query.answer(&self.store, &self.losses),
                Some(ended) = servers.tasks.join_next() => {
                    ended.context("a server panicked")??;
                    anyhow::bail!("a server ended before the viewer");
                }
                _ = tick.tick() => if !self.print_quiet()? { break },
            }
        }
        self.drain(batches, servers).await;
        self.finish().await
    }

    fn receive(&mut self, batch: Batch) {
        self.losses.rejected_spans += batch.rejected;
        self.store.insert(batch.spans, Instant::now());
        if self.keeps_sources {
            self.store.insert_sources(source::by_trace(&batch.request));
        }
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
                && !self.terminal.live(trace)?
            {
                return Ok(false);
            }
            self.store.mark_printed(id);
        }
        Ok(true)
    }

    /// Receives the requests that have begun. Their senders may wait for room in the queue, so it
    /// is emptied meanwhile.
    async fn drain(&mut self, mut batches: mpsc::Receiver<Batch>, servers: Servers) {
        let mut stopped = std::pin::pin!(servers.stop());
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
        self.terminal.end(&self.store, &self.losses)?;
        self.json_error
            .map_or(Ok(()), |error| Err(error).context("--json is incomplete"))
    }
}
