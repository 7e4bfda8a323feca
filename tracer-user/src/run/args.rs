//! The command line of `hopspan run`. In: arguments. Out: `Args`.

use std::{path::PathBuf, time::Duration};

use tracer_pipeline::{
    http::{UrlPaths, pairing::RESPONSE_WAIT_S},
    pipeline::FAILED_CONNECTS_PER_SECOND,
    span::{BASELINE, Detail, ServiceName},
};

use crate::cluster::NamesArgs;

use super::{listen::Listen, watch::WatchFrom};

/// The default of --max-exchanges-per-second, which costs a fifth of a core.
const EXCHANGES_PER_SECOND: u32 = 5500;

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
