//! The agent's counters at its end, as a JSON report and as log lines.

use std::{collections::BTreeMap, fs::File, io};

use tracer_pipeline::{pipeline, span::Failure};

use crate::{capture, cluster::kubernetes::ApiSnapshot, export, rules::RulesState};

/// A failure and its count.
#[derive(Debug, serde::Serialize)]
pub(super) struct Counted {
    #[serde(flatten)]
    pub(super) failure: Failure,
    pub(super) count: u64,
}

/// The counters of the agent's whole run.
#[derive(Debug, serde::Serialize)]
pub(super) struct Report {
    /// Hooks that were not attached, and why.
    pub(super) missing: BTreeMap<&'static str, String>,
    /// The state of the Kubernetes watches at the end; `None` without a Kubernetes API.
    pub(super) kubernetes: Option<ApiSnapshot>,
    /// What the kernel programs counted.
    pub(super) kernel: capture::Totals,
    /// The sum of its counters of lost records.
    pub(super) lost_in_kernel: u64,
    /// Of these, the records of which pairs of addresses were lost because they used up their share.
    pub(super) pair_losses: Vec<capture::PairLoss>,
    /// Journeys that never ended.
    pub(super) expired: u64,
    /// Of these, the journeys that were open when the agent detached.
    pub(super) under_way_at_end: u64,
    /// What the pipeline counted.
    pub(super) pipeline: pipeline::Counts,
    /// Failures of the applications' connections and exchanges.
    pub(super) failures: Vec<Counted>,
    /// The state of reading kube-proxy's rules at the end.
    pub(super) rules: RulesState,
    /// The results of the export.
    pub(super) export: export::Totals,
}

impl Report {
    /// Writes the report as JSON.
    pub(super) fn write(&self, file: File) -> io::Result<()> {
        serde_json::to_writer_pretty(file, self)?;
        Ok(())
    }

    /// Logs a summary, and an error if anything was lost.
    pub(super) fn log(&self) {
        tracing::info!(
            "{} exchanges, {} traced; {} spans sent; {} packets out of sight",
            self.pipeline.exchanges,
            self.pipeline.exchanges_traced,
            self.export.sent,
            self.expired + self.kernel.out_of_sight(),
        );
        let lost = [
            ("records in the kernel", self.lost_in_kernel),
            ("records that do not decode", self.pipeline.records_refused),
            (
                "spans that the collector has not accepted",
                self.export.failed,
            ),
            (
                "spans dropped because the queue was full",
                self.export.dropped,
            ),
            ("exchanges shed above the rate", self.pipeline.shed),
        ];
        let lost: Vec<String> = lost
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        if !lost.is_empty() {
            tracing::error!("lost: {}; --report FILE has the details", lost.join(", "));
        }
        if let Some(most) = self.pair_losses.first() {
            let [one, other] = most.addresses;
            tracing::error!(
                "{} records of packets between {one} and {other} were lost, because there were too many",
                most.lost
            );
        }
    }
}
