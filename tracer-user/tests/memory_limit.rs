//! The memory limit of `deploy/base` is above the sum of all bounds, so that no traffic ends the agent.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{fs, path::Path};

use tracer_pipeline::pipeline::Pipeline;
use tracer_user::{export::DEFAULT_QUEUE_BYTES, run::WATCH_BYTES};

const MIB: u64 = 1 << 20;
/// What docs/performance.md promises at most: an idle agent, and the programs' maps.
const IDLE_BYTES: u64 = 30 * MIB;
const MAPS_BYTES: u64 = 32 * MIB;
/// A batch of spans that is sent, and its request.
const BATCH_BYTES: u64 = 6 * MIB;

#[test]
fn the_bounds_fit_into_the_limit() {
    let tables = Pipeline::new("node").tables().max_bytes();
    let queue = DEFAULT_QUEUE_BYTES as u64;
    let sum = tables + queue + WATCH_BYTES as u64 + BATCH_BYTES + IDLE_BYTES + MAPS_BYTES;
    let limit = limit_bytes();
    println!(
        "tables {}, in all {} of {} MiB",
        tables / MIB,
        sum / MIB,
        limit / MIB
    );
    assert!(sum <= limit, "{sum} > {limit}");
}

/// The limit in the DaemonSet, of which Mi is the unit.
fn limit_bytes() -> u64 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/base/daemon-set.yaml");
    let text = fs::read_to_string(path).unwrap();
    let limits = text.split("limits:").nth(1).unwrap();
    let memory = limits
        .split("memory:")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let mebibytes: u64 = memory.trim().strip_suffix("Mi").unwrap().parse().unwrap();
    mebibytes * MIB
}
