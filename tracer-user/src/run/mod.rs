//! `hopspan run`: the agent.
//!
//! One task owns the state and drains the ring buffer into the pipeline. Other tasks and threads do
//! the I/O: the export, the HTTP port, and reading the rules, the uplinks and the names. SIGTERM or
//! SIGINT ends the agent: it detaches, takes the remaining records, flushes the export and writes
//! the report. A second signal ends the flush.

mod agent;
mod http_port;
mod listen;
mod map_watch;
mod metrics;
mod poll_schedule;
mod process_limits;
mod recorder;
mod report;
mod status;
mod watch;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write as _},
    num::NonZero,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracer_pipeline::{
    http::{UrlPaths, pairing::RESPONSE_WAIT_S},
    pipeline::{FAILED_CONNECTS_PER_SECOND, Pipeline},
    redaction::Redactor,
    span::{BASELINE, Detail, ServiceName},
};

use crate::{
    attach::{self, Follow, Missing, Options, cgroup2, hook_loss},
    capture::EntryCounts,
    cluster::{Names, NamesArgs},
    export::{Exporter, node_name},
    rules, uplinks,
};

use agent::Agent;
use recorder::Recorder;
use status::Status;
use watch::{WatchedExport, Watchers};

pub use listen::{Listen, NotAListenAddress};
pub use watch::{WATCH_BYTES, WatchFrom};

/// The default of --max-exchanges-per-second, which costs a fifth of a core.
const EXCHANGES_PER_SECOND: u32 = 5500;
/// The time for flushing the export: less than the 30 s after which Kubernetes kills the container.
const FLUSH: Duration = Duration::from_secs(25);

/// Follow the packets of this node's pods, and export their hops as spans.
///
/// Run it in the node's network namespace, as a DaemonSet with hostNetwork does. OpenTelemetry's
/// variables configure the export: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL
/// (http/protobuf by default, or grpc), OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME,
/// OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
/// OTEL_BSP_MAX_QUEUE_SIZE. NODE_NAME is the node's name, as in `spec.nodeName` of its pods.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Follow only the sockets below this cgroup [default: the root of the cgroup v2 file system]
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,

    /// A device through which the node reaches other nodes; may be given several times [default:
    /// hardware, and the devices of default routes]
    #[arg(long, value_name = "NAME")]
    pub uplink: Vec<String>,

    /// Make traces of requests that carry no trace context: at most RATE a second
    ///
    /// Where the response names a sampled trace of the server (`traceresponse`), the exchange joins
    /// that trace, whatever the RATE. This needs a request that is followed. Without a trace
    /// context, requests of HTTP/2 are followed always; those of HTTP/1 with --untraced (a RATE
    /// above 0) or --follow-all, and else only where the kernel programs cannot judge them, as where
    /// a client pipelines.
    #[arg(long, value_name = "RATE", default_value_t = 0)]
    pub untraced: u32,

    /// Follow all HTTP/1 requests, not only those whose spans are exported
    ///
    /// Without this option, the kernel programs leave out requests whose trace context is not
    /// sampled and, without --untraced, requests without a trace context. With this option,
    /// failures of these requests are counted too, at the cost of following them. More spans are
    /// exported only for requests without a trace context whose response names the server's trace
    /// (`traceresponse`).
    #[arg(long)]
    pub follow_all: bool,

    /// Make spans of failed connects: at most RATE a second, and a tenth of that from one container
    #[arg(long, value_name = "RATE", default_value_t = FAILED_CONNECTS_PER_SECOND)]
    pub failed_connects: u32,

    /// Export at most RATE exchanges a second, in fair shares per pair of client and service, so
    /// that a busy pair does not displace a quiet one; 0 is no limit
    ///
    /// The kernel programs leave out HTTP/1 requests above the limit, in windows of 134 ms, so that
    /// these cost next to nothing. hopspan_exchanges_shed_total counts all exchanges that are left
    /// out.
    #[arg(long, value_name = "RATE", default_value_t = EXCHANGES_PER_SECOND)]
    pub max_exchanges_per_second: u32,

    /// The exchanges whose hops have spans: all (hop), none (path), or those worth it (auto)
    ///
    /// Worth it are exchanges that failed, lost a packet, met a zero window or were slow, and one in
    /// --baseline. hopspan.detail.reason names the reason. Without spans, hops are an attribute of
    /// connect, request and response.
    #[arg(long, value_name = "DETAIL", default_value_t = Detail::Auto)]
    pub detail: Detail,

    /// With --detail auto: a path or hop that takes longer than DURATION, as in 5ms, is slow
    ///
    /// Without this option, one is slow that takes longer than 99 of 100 of its kind between the
    /// same client and service, and longer than 100 microseconds.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub slow: Option<Duration>,

    /// With --detail auto: one exchange in N has spans for its hops in any case; 0 is none
    #[arg(long, value_name = "N", default_value_t = BASELINE)]
    pub baseline: u32,

    /// The service under whose name spans are exported: hopspan (or OTEL_SERVICE_NAME) for all, or
    /// the workload of each side
    ///
    /// With workload, the service of connect and request spans is the client's workload, such as
    /// its Deployment, else its pod, else its node; that of response spans is the server's. Where
    /// none is known, and beyond 1,024 workloads, it is hopspan. It changes service graphs: see
    /// docs/agent.md.
    #[arg(long, value_name = "NAME", default_value_t = ServiceName::Hopspan)]
    pub service_name: ServiceName,

    /// What of the path of a request is exported: all of it (full), a template such as
    /// /users/{id} (template), or nothing (off)
    ///
    /// Numbers, UUIDs, hexadecimal, random and long segments are {id}, because paths may contain
    /// tokens and ids. It is a guess: a secret that is a word stays. Matrix parameters are left out.
    /// The query, the fragment, and user and password are exported by none of them.
    #[arg(long, value_name = "WHAT", default_value_t = UrlPaths::Template)]
    pub paths: UrlPaths,

    /// Export a request that has no response after SECONDS as open
    ///
    /// It is no error: `hopspan.incomplete` is `response`. A gRPC call may stream, and is exported
    /// only when it ends.
    #[arg(long, value_name = "SECONDS", default_value_t = RESPONSE_WAIT_S, value_parser = clap::value_parser!(u32).range(1..))]
    pub response_timeout: u32,

    /// Write the records of the kernel programs to FILE, for a replay
    ///
    /// It must not exist, and only its owner can read it. Header values, queries, bodies and what
    /// --paths leaves out are overwritten; addresses, header names, trace contexts and hosts are not.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// With --record: overwrite nothing
    ///
    /// The file contains the heads of all requests with all headers: handle it like a packet
    /// capture.
    #[arg(long, requires = "record")]
    pub record_raw: bool,

    /// The arguments about names.
    #[command(flatten)]
    pub names: NamesArgs,

    /// Write the agent's counters to FILE at the end, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Serve /healthz, /readyz and /metrics here: a PORT on all addresses, ADDRESS:PORT, or off
    ///
    /// May be given several times. Each place has connections of its own, so that a flood of one
    /// does not reach the other.
    #[arg(long, value_name = "PLACE", default_value = "9464")]
    pub listen: Vec<Listen>,

    /// Answer /metrics and /exchanges only to clients that send the token in FILE: `Authorization:
    /// Bearer TOKEN`
    #[arg(long, value_name = "FILE")]
    pub metrics_token: Option<PathBuf>,

    /// From where `hopspan watch` may read exchanges as they happen, at the places of --listen
    ///
    /// With everywhere, --metrics-token is needed.
    #[arg(long, value_name = "WHERE", value_enum, default_value_t = WatchFrom::Loopback)]
    pub watch: WatchFrom,

    /// Serve the same on a unix socket, which only root and the agent's user can use
    #[arg(long, value_name = "PATH")]
    pub watch_socket: Option<PathBuf>,

    /// Measure requests by client and service, or all of them together
    ///
    /// By client and service there are series for at most 256 pairs; the others share the pair
    /// `other`. Together they are the pair `all`.
    #[arg(long, value_name = "WHETHER", value_enum, default_value_t = PerEdge::On)]
    pub metrics_per_edge: PerEdge,

    /// Let the kernel programs log each packet of interest. Slow; for development
    #[arg(long)]
    pub debug: bool,

    /// Use the programs for old kernels on any kernel. For tests
    #[arg(long, hide = true)]
    pub only_fallbacks: bool,
}

/// The argument of --metrics-per-edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PerEdge {
    /// By client and service.
    On,
    /// All together.
    Off,
}

/// Parses `5ms`, `1.5s` or `250us`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    parsed
        .and_then(Duration::try_from)
        .map_err(|error| format!("{error}; expected a duration such as 5ms"))
}

/// Runs the agent until SIGTERM or SIGINT.
///
/// # Errors
///
/// When the agent cannot attach, export, listen, or write the recording or the report.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let options = Options {
        cgroup: cgroup2::find(args.cgroup.as_deref())?,
        follow: if args.follow_all {
            Follow::All
        } else if args.untraced > 0 {
            Follow::Untraced
        } else {
            Follow::Sampled
        },
        debug: args.debug,
        only_fallbacks: args.only_fallbacks,
    };
    process_limits::set();
    let report_file = args.report.as_deref().map(|path| {
        File::create(path).with_context(|| format!("create the report {}", path.display()))
    });
    let report_file = report_file.transpose()?;
    let redactor = (!args.record_raw).then(|| Redactor::new(args.paths));
    let recorder = args.record.as_deref().map(|path| {
        Recorder::create(path, redactor)
            .with_context(|| format!("create the recording {}", path.display()))
    });
    let recorder = recorder.transpose()?;
    let mut signals = Signals::new()?;
    let status = Arc::new(Status::new());
    let node = node_name();
    let watchers = Watchers::default();
    let port = http_port::Options {
        places: &args.listen,
        token: args.metrics_token,
        watch_from: args.watch,
        socket: args.watch_socket,
        node: node.clone(),
    };
    http_port::start(port, &status, watchers.clone())?;
    let exporter = Exporter::start().context("set up the OTLP export")?;
    let export = WatchedExport::new(exporter, watchers);
    // Before the programs are attached, so that names and rules are read while the verifier runs.
    let names = Names::start(&args.names, &options.cgroup, &node).await?;
    let rules = rules::watch().context("start the thread that reads rules")?;
    let mut attached = attach::attach(&options)?;
    for (reason, hooks) in by_reason(&attached.missing) {
        tracing::warn!("not attached: {}: {reason}", hooks.join(", "));
    }
    if attached.is_beside_another() {
        tracing::warn!(
            "another hopspan runs here: both send spans of the same exchanges until one of them ends"
        );
    }
    for fallback in &attached.fallbacks {
        let (hook, reason) = (fallback.hook.name(), &fallback.reason);
        match hook_loss::with_fallback(fallback.hook) {
            Some(lost) => tracing::warn!(
                "{hook} is served by {}, without {lost}: {reason}",
                fallback.function
            ),
            None => tracing::info!("{hook} is served by {}: {reason}", fallback.function),
        }
    }
    let hash_maps = std::mem::take(&mut attached.hash_maps);
    let socket_keys = attached.take_map(EntryCounts::SOCKET_KEYS);
    let entry_counts = EntryCounts::new(hash_maps, socket_keys)?;
    map_watch::start(entry_counts, Arc::clone(&status))
        .context("start the thread that counts entries of maps")?;
    let (first, changes) = uplinks::watch(args.uplink);
    let mut pipeline = Pipeline::new(node);
    pipeline.trace_untraced(args.untraced);
    pipeline.limit_failed_connects(args.failed_connects);
    pipeline.set_service_name(args.service_name);
    pipeline.set_url_paths(args.paths);
    let detail = pipeline.detail();
    detail.set_detail(args.detail);
    detail.set_baseline(args.baseline);
    if let Some(slow) = args.slow {
        detail.set_slow(slow);
    }
    let per_second = NonZero::new(args.max_exchanges_per_second);
    if let Some(per_second) = per_second {
        pipeline.limit_exchanges(per_second.get());
    }
    if args.follow_all {
        pipeline.measure_unsampled();
    }
    if args.metrics_per_edge == PerEdge::Off {
        pipeline.sum_edges();
    }
    pipeline.wait_for_response(u64::from(args.response_timeout) * 1_000_000_000);
    status.set_missing(&attached.missing);
    let mut agent = Agent::new(
        attached,
        export,
        pipeline,
        (names, rules),
        per_second,
        recorder,
        Arc::clone(&status),
    )?;
    agent.follow_uplinks(&first);
    agent.first_names().await;
    agent.first_rules().await;
    status.turned();
    status.set_ready();
    // Scripts may wait for this line. There may be no reader.
    let _ = match &*first.names() {
        "" => writeln!(io::stderr(), "hopspan: attached, no uplinks"),
        uplinks => writeln!(io::stderr(), "hopspan: attached, uplinks: {uplinks}"),
    };
    attach::return_freed_memory();
    tokio::select! {
        () = signals.next() => {}
        () = agent.follow(changes) => {}
    }
    status.set_ending();
    let report = agent.finish(FLUSH, signals.next()).await?;
    if let Some(file) = report_file {
        report.write(file).context("write the report")?;
    }
    report.log();
    Ok(())
}

/// The hooks that are missing, by reason.
fn by_reason(missing: &[Missing]) -> BTreeMap<&str, Vec<&'static str>> {
    let mut reasons: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for missing in missing {
        let hooks = reasons.entry(&missing.reason).or_default();
        hooks.push(missing.hook.name());
    }
    reasons
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::hook::Hook;

    use super::*;

    #[test]
    fn missing_hooks_are_grouped_by_reason() {
        let missing = |hook, reason: &str| Missing {
            hook,
            reason: reason.to_owned(),
        };
        let all = [
            missing(Hook::PreroutingEnter, "too old"),
            missing(Hook::PacketDrop, "refused"),
            missing(Hook::PreroutingLeave, "too old"),
        ];
        let grouped = by_reason(&all);
        let expected = [
            ("refused", vec!["packet_drop"]),
            ("too old", vec!["prerouting_enter", "prerouting_leave"]),
        ];
        assert_eq!(grouped, BTreeMap::from(expected));
    }
}
