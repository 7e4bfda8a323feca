//! `hopspan merge`, for back ends that show spans as they were sent. In: OTLP/JSON lines, in files as
//! `hopspan view --json` and collectors' file exporters write them. Out: the same lines with the
//! halves of each path joined, on a writer.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;

use crate::merge::merge_requests;
use crate::otlp_json;

/// Join the halves of exchanges between nodes in OTLP/JSON lines
///
/// Reads every FILE, with one ExportTraceServiceRequest a line as `hopspan view --json` writes
/// them, and prints the same requests with every span once. The two agents' halves of a connect,
/// request or response become one span on the client's clock, with the attributes, events and hops
/// of both and the wire between them; hopspan.clock.skew_ns and hopspan.clock.skew_bound_ns of the
/// request are the offset of the server's clock.
#[derive(Debug, Clone, clap::Args)]
pub struct MergeArgs {
    /// Files to read, as if they were one [default: standard input]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Reads the files, or standard input, and writes to `out`.
///
/// # Errors
/// When a file cannot be read or a line is not OTLP/JSON: the error has the line's number, and
/// nothing was written. When `out` cannot be written, except that a closed pipe is no error.
pub fn merge_files(args: &MergeArgs, out: impl Write) -> anyhow::Result<()> {
    let mut requests = Vec::new();
    if args.files.is_empty() {
        requests = otlp_json::read(io::stdin().lock(), "standard input")?;
    }
    for path in &args.files {
        requests.extend(otlp_json::read_file(path)?);
    }
    match otlp_json::write(&merge_requests(&requests), out) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write merged spans"),
    }
}
