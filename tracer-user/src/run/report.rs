//! What the agent has counted, for people and for tests.

use std::{collections::BTreeMap, fs::File, io, path::Path};

use tracer_pipeline::{pipeline, span::Failure};

use crate::{capture, cluster::kubernetes::ApiSnapshot, export, rules::RulesState};

/// How often something failed.
#[derive(Debug, serde::Serialize)]
pub(super) struct Counted {
    /// What, where, and for whom.
    #[serde(flatten)]
    pub(super) failure: Failure,
    /// How often.
    pub(super) count: u64,
}

/// Everything counted from start to end.
#[derive(Debug, serde::Serialize)]
pub(super) struct Report {
    /// Hooks that were not attached, and why.
    pub(super) missing: BTreeMap<&'static str, String>,
    /// How the Kubernetes API was at the end, where one was asked.
    pub(super) kubernetes: Option<ApiSnapshot>,
    /// What the kernel programs counted.
    pub(super) kernel: capture::Totals,
    /// Journeys that never ended.
    pub(super) expired: u64,
    /// Of those, the ones still under way when the agent detached.
    pub(super) under_way_at_end: u64,
    /// What the pipeline counted.
    pub(super) pipeline: pipeline::Counts,
    /// What failed for the applications.
    pub(super) failures: Vec<Counted>,
    /// How the reading of kube-proxy's rules went.
    pub(super) rules: RulesState,
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
            "{} exchanges, {} traced; {} spans sent; {} packets left our sight",
            self.pipeline.exchanges,
            self.pipeline.exchanges_traced,
            self.export.sent,
            self.expired + self.kernel.out_of_sight(),
        );
        let lost = [
            ("records in the kernel", self.kernel.lost()),
            ("records refused", self.pipeline.records_refused),
            ("spans not taken by the collector", self.export.failed),
            ("spans dropped before it", self.export.dropped),
            ("exchanges shed for want of room", self.pipeline.shed.queue),
            ("exchanges shed above the rate", self.pipeline.shed.rate),
        ];
        let lost: Vec<String> = lost
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        if !lost.is_empty() {
            tracing::error!("lost: {}; --report FILE has the details", lost.join(", "));
        }
    }
}
