//! The command line of `hopspan view`. In: arguments. Out: `Args`. Knows no terminal and opens no
//! file or socket.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;

/// Receive OTLP traces and print them as waterfalls
///
/// Receives OTLP over gRPC and HTTP, keeps the last traces in memory and prints each as a waterfall
/// when no more spans come for it: application and data-plane spans in one tree. On SIGTERM or
/// SIGINT it prints the traces that it has not printed yet and then, per service edge, application
/// time beside data-plane time.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address for OTLP over gRPC
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4317")]
    pub grpc: SocketAddr,

    /// Address for OTLP over HTTP (POST /v1/traces)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4318")]
    pub http: SocketAddr,

    /// Listen inside this network namespace
    ///
    /// Only the two listening sockets are opened in the namespace, for example /run/netns/node.
    /// Everything else, also --forward, uses the namespace of the process. Needs CAP_SYS_ADMIN.
    #[arg(long, value_name = "PATH")]
    pub netns: Option<PathBuf>,

    /// Append each request to FILE as OTLP/JSON
    ///
    /// One ExportTraceServiceRequest a line, in the OTLP/JSON encoding, as received: a batch that
    /// was sent again is there twice, and the halves of an exchange between nodes are not merged.
    /// The same applies to --forward.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Send all requests on to a collector
    ///
    /// http://HOST:4317 sends OTLP over gRPC; a URL whose path ends in /v1/traces sends OTLP over
    /// HTTP as protobuf. Requests that the collector does not take in time are dropped and counted;
    /// receiving never waits for it.
    #[arg(long, value_name = "URL")]
    pub forward: Option<String>,

    /// Width of a line in terminal cells [default: the terminal's width, else 100]
    #[arg(long, value_name = "CELLS")]
    pub width: Option<usize>,

    /// When to use colour
    ///
    /// auto: on a terminal, unless NO_COLOR is set to anything but the empty string.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,

    /// Characters to draw with
    ///
    /// auto: Unicode if the locale (LC_ALL, LC_CTYPE, LANG) is UTF-8, else ASCII.
    #[arg(long, value_name = "SET", default_value = "auto")]
    pub charset: CharsetChoice,

    /// Print at most N waterfalls at the end
    ///
    /// Of more than N traces the slowest, the median and then the next slowest are printed, by the
    /// duration of the root span. 0 prints only the table.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub waterfalls: usize,

    /// Print nothing before SIGTERM or SIGINT
    #[arg(long)]
    pub at_end: bool,

    /// Show every hop of every exchange
    ///
    /// By default the hops have a line each for the exchange of each service edge that spent most
    /// time in the data plane, and for exchanges with a drop, a retransmission or an error. The
    /// others have one line of hops per path.
    #[arg(long)]
    pub full: bool,

    /// Print a trace after this many milliseconds without a new span
    #[arg(long, value_name = "MS", default_value_t = 1_500)]
    pub quiet_ms: u64,

    /// Keep at most N traces; the oldest is dropped first
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub max_traces: usize,

    /// Keep at most N spans in all traces together
    ///
    /// A span takes about 250 bytes; a hop in the attribute of its path counts as one. One trace has at most N / 20 spans, or 20,000 if that is more.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub max_spans: usize,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// `--charset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CharsetChoice {
    /// By the locale
    Auto,
    /// Unicode
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    /// ASCII
    Ascii,
}
