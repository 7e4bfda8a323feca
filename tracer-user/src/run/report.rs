//! What the agent has counted, for people and for tests.

use std::{collections::BTreeMap, fs::File, io, path::Path};

use tracer_common::counter::Counter;

use crate::{capture, export, pipeline};

/// Everything counted from start to end.
#[derive(Debug, serde::Serialize)]
pub(super) struct Report {
    /// Hooks that were not attached, and why.
    pub(super) missing: BTreeMap<&'static str, String>,
    /// What the kernel programs counted.
    pub(super) kernel: capture::Totals,
    /// Journeys that never ended.
    pub(super) expired: u64,
    /// Of those, the ones still under way when the agent detached.
    pub(super) under_way_at_end: u64,
    /// What the pipeline counted.
    pub(super) pipeline: pipeline::Counts,
    /// What became of the spans.
    pub(super) export: export::Totals,
}

impl Report {
    /// Writes it as JSON.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        serde_json::to_writer_pretty(File::create(path)?, self)?;
        Ok(())
    }

    /// One line for the log, and another for what was lost.
    pub(super) fn log(&self) {
        tracing::info!(
            "{} exchanges, {} traced; {} spans sent",
            self.pipeline.exchanges,
            self.pipeline.exchanges_traced,
            self.export.sent,
        );
        let lost = self.kernel.lost()
            + self.pipeline.records_refused
            + self.export.failed
            + self.export.dropped;
        if lost > 0 {
            tracing::error!(
                "lost: {:?}; {} records refused; {} spans failed, {} dropped",
                self.kernel
                    .journeys
                    .iter()
                    .filter(|(name, count)| **count > 0 && !is_normal(name))
                    .collect::<Vec<_>>(),
                self.pipeline.records_refused,
                self.export.failed,
                self.export.dropped,
            );
        }
    }
}

/// Counters that say nothing of a loss.
fn is_normal(name: &str) -> bool {
    [Counter::Opened, Counter::Closed, Counter::Dropped]
        .iter()
        .any(|counter| counter.name() == name)
}
