//! `hopspan report`: the comparison over files of traces, or over what arrives in some seconds. In:
//! OTLP/JSON files, or OTLP. Out: a table, JSON, or the page in one HTML file.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::ArgGroup;
use serde::Serialize;

use crate::args::OutputArgs;
use crate::otlp_json;
use crate::receive::{Batch, Intake, grpc, http, listen};
use crate::render::{Losses, date};
use crate::source;
use crate::store::{Limits, Store};
use crate::terminal::Terminal;
use crate::web::{self, FileSet, Window};

/// Traces and spans of one set. Files are larger than what a viewer keeps of a day.
const LIMITS: Limits = Limits {
    traces: 100_000,
    spans: 5_000_000,
    spans_per_trace: 250_000,
    source_bytes: 2 << 30,
};

/// Compare application time with data-plane time, from files or over some seconds
///
/// Reads each FILE, with OTLP/JSON as `hopspan view --json` writes it, as one set of traces, and
/// prints the comparison of each: two files are before and after. With --for it receives OTLP for
/// that long instead.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("input").required(true).args(["files", "duration"])))]
pub struct ReportArgs {
    /// Files to read, each a set of its own
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Receive OTLP for this long, as 30s, and report on that
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Address for OTLP over gRPC, with --for
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4317")]
    pub grpc: SocketAddr,

    /// Address for OTLP over HTTP, with --for
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4318")]
    pub http: SocketAddr,

    /// Print JSON instead of a table
    ///
    /// `{"sets": [{"name": …, "comparison": …}]}`; the fields of the comparison are those of
    /// `Comparison` in tracer-view/page/src/model.ts.
    #[arg(long)]
    pub json: bool,

    /// Also write the page with these traces to FILE, which needs no server
    ///
    /// The failed and the slowest traces can be opened in it, 50 of each set at most.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Serialize)]
struct Report<'s> {
    sets: Vec<ReportedSet<'s>>,
}

#[derive(Serialize)]
struct ReportedSet<'s> {
    name: &'s str,
    comparison: web::Comparison,
    losses: &'s [String],
}

/// Reads or receives, and prints to `out`.
///
/// # Errors
/// When a file cannot be read or is not OTLP/JSON, an address cannot be bound, or the report cannot
/// be written. A closed pipe is no error.
pub async fn report(args: ReportArgs, out: impl Write, is_terminal: bool) -> anyhow::Result<()> {
    let sets = match args.duration {
        Some(duration) => vec![receive(&args, duration).await?],
        None => read(&args.files)?,
    };
    if let Some(path) = &args.html {
        let html = web::html(&sets, date(unix_ns()));
        fs::write(path, html).with_context(|| format!("write {}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    let printed = match args.json {
        true => print_json(&sets, out),
        false => Terminal::new(&args.output, false, 0, out, is_terminal).sets(&sets),
    };
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("print the report"),
    }
}

fn read(files: &[PathBuf]) -> anyhow::Result<Vec<FileSet>> {
    let sets = files.iter().map(|path| {
        let requests = otlp_json::read_file(path)?;
        let name = path.file_stem().unwrap_or(path.as_os_str());
        Ok(FileSet::new(&name.to_string_lossy(), &requests, LIMITS, 0))
    });
    sets.collect()
}

/// Receives for a while. What has not arrived by then is not waited for.
async fn receive(args: &ReportArgs, duration: Duration) -> anyhow::Result<FileSet> {
    let listeners = listen::listen([args.grpc, args.http], None)?;
    let [grpc, http] = listeners.map(tokio::net::TcpListener::from_std);
    let (intake, mut batches) = Intake::new();
    let (grpc, http) = (
        grpc::serve(grpc?, intake.clone(), std::future::pending()),
        http::serve(http?, intake, std::future::pending()),
    );
    let (mut store, mut losses) = (Store::new(LIMITS), Losses::default());
    eprintln!(
        "receiving on {} (gRPC) and {} (HTTP) for {} s",
        args.grpc,
        args.http,
        duration.as_secs_f64()
    );
    let mut take = |batch: Batch| {
        losses.rejected_spans += batch.rejected;
        store.insert(batch.spans, Instant::now());
        store.insert_sources(source::by_trace(&batch.request));
    };
    let end = tokio::time::sleep(duration);
    tokio::pin!(end, grpc, http);
    loop {
        tokio::select! {
            () = &mut end => break,
            ended = &mut grpc => ended.context("serve OTLP over gRPC")?,
            ended = &mut http => ended.context("serve OTLP over HTTP")?,
            Some(batch) = batches.recv() => take(batch),
        }
    }
    losses.store = store.counts();
    let name = format!("{} s", duration.as_secs_f64());
    Ok(FileSet::of(&name, store, &losses, 0))
}

fn print_json(sets: &[FileSet], mut out: impl Write) -> io::Result<()> {
    let sets = sets.iter().map(|set| ReportedSet {
        name: set.name(),
        comparison: set.view().compare(Window::WHOLE),
        losses: set.losses(),
    });
    let report = Report {
        sets: sets.collect(),
    };
    serde_json::to_writer_pretty(&mut out, &report)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn unix_ns() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |since| since.as_nanos() as u64)
}

/// Parses `30s` or `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    parsed
        .and_then(Duration::try_from)
        .map_err(|error| format!("{error}; expected a duration such as 30s"))
}
