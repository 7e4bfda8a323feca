//! How much the pure stages allocate. In: the recording in the repository. Out: one line of JSON.
//!
//! The count is exact and the same on every machine. What the pipeline allocates once, at its first
//! records, is left out: it has seen the recording before the count begins.

use std::path::Path;

use anyhow::Context as _;
use tracer_pipeline::{pipeline::Pipeline, recording::Reader, span::Span};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// One dispatch of HotROD, 13 exchanges.
const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tracer-pipeline/tests/recordings/dispatch.hopspan"
);

fn main() -> anyhow::Result<()> {
    let reader = Reader::open(Path::new(RECORDING)).with_context(|| format!("open {RECORDING}"))?;
    let records: Vec<Vec<u8>> = reader.collect::<Result<_, _>>().context("read it")?;
    let _counting = dhat::Profiler::builder().testing().build();
    let mut pipeline = Pipeline::new("node");
    let mut spans = Vec::new();
    replay(&records, &mut pipeline, &mut spans);
    let (before, counted) = (dhat::HeapStats::get(), pipeline.counts().exchanges_traced);
    spans.clear();
    replay(&records, &mut pipeline, &mut spans);
    let after = dhat::HeapStats::get();
    println!(
        "{{\"exchanges\":{},\"spans\":{},\"allocations\":{},\"allocated_bytes\":{}}}",
        pipeline.counts().exchanges_traced - counted,
        spans.iter().map(Vec::len).sum::<usize>(),
        after.total_blocks - before.total_blocks,
        after.total_bytes - before.total_bytes
    );
    Ok(())
}

fn replay(records: &[Vec<u8>], pipeline: &mut Pipeline, spans: &mut Vec<Vec<Span>>) {
    for record in records {
        pipeline.replay(record, spans);
    }
    pipeline.finish(spans);
}
