//! The command lines of `hopspan view` and `hopspan report`. In: arguments. Out: `Args`. Knows no terminal and opens no
//! file or socket.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;

/// Receive OTLP traces; show them in the terminal and on a page
///
/// Receives OTLP over gRPC and HTTP, keeps the last traces in memory and prints each when no more
/// spans come for it: the answer in three lines, then a waterfall with application and data-plane
/// spans in one tree. On SIGTERM or SIGINT it prints the traces that it has not printed yet and then,
/// per service edge, application time beside data-plane time. The page shows the same traces in a
/// browser.
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

    /// Address of the page
    ///
    /// Traces, comparison and map in a browser, of the same traces. The address has to be of this
    /// machine's loopback, and is in the network namespace of the process, also with --netns. `off`:
    /// no page.
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:4380", value_parser = page)]
    pub page: Page,

    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,

    /// Print at most N waterfalls at the end
    ///
    /// Of more than N traces the slowest, the median and then the next slowest are printed, by the
    /// duration of the root span. 0 prints only the table.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub waterfalls: usize,

    /// Print nothing before SIGTERM or SIGINT
    #[arg(long)]
    pub at_end: bool,

    /// Print every span, and every hop of every exchange
    ///
    /// By default a waterfall has at most 40 lines: the spans that the trace waited for longest, and
    /// what failed. The hops of a path are on one line.
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
    /// A span takes about 250 bytes, and with the page up to 512 more on average; a hop in the
    /// attribute of its path counts as one. One trace has at most N / 20 spans, or 20,000 if that is
    /// more.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub max_spans: usize,
}

/// How text is printed.
#[derive(Debug, Clone, clap::Args)]
pub struct OutputArgs {
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
}

/// `--page`: `None` for no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page(pub Option<SocketAddr>);

fn page(text: &str) -> Result<Page, String> {
    if text == "off" {
        return Ok(Page(None));
    }
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "expected an address with a port, as 127.0.0.1:4380, or `off`".to_owned())?;
    if !address.ip().is_loopback() {
        return Err(
            "the page is for this machine only: choose a loopback address, and forward its \
             port (ssh -L, kubectl port-forward) to see it from elsewhere"
                .to_owned(),
        );
    }
    Ok(Page(Some(address)))
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
