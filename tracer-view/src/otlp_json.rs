//! Files of OTLP/JSON: requests one after the other, a line each as `hopspan view --json` and
//! collectors' file exporters write them, or in any other layout (OTLP specification, section JSON
//! Protobuf Encoding). In and out: `ExportTraceServiceRequest`s.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde_json::Deserializer;

/// All requests of a file.
///
/// # Errors
/// When it cannot be read, and as [`read`].
pub(crate) fn read_file(path: &Path) -> anyhow::Result<Vec<ExportTraceServiceRequest>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    read(BufReader::new(file), &path.display().to_string())
}

/// All requests from a reader. `name` is for the error.
///
/// # Errors
/// At the first that is not OTLP/JSON, with its line.
pub(crate) fn read(from: impl Read, name: &str) -> anyhow::Result<Vec<ExportTraceServiceRequest>> {
    let requests = Deserializer::from_reader(from).into_iter();
    let requests = requests.map(|request| {
        request.map_err(|error: serde_json::Error| {
            let what = match error.is_io() {
                true => format!("read {name}"),
                false => format!("line {} of {name} is not OTLP/JSON", error.line()),
            };
            anyhow::Error::from(error).context(what)
        })
    });
    requests.collect()
}

/// Writes a line for each request.
///
/// # Errors
/// As `out`.
pub(crate) fn write(requests: &[ExportTraceServiceRequest], out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for request in requests {
        serde_json::to_writer(&mut out, request)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
