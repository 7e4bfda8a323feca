//! What the agent and the receiver have counted. In: their JSON. Out: numbers.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// What the receiver has received, as `hopspan-bench sink` tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(in super::super) struct Totals {
    /// Requests with spans of hopspan, and the bytes of their bodies.
    pub(in super::super) hopspan_requests: u64,
    pub(in super::super) hopspan_bytes: u64,
    pub(in super::super) hopspan_spans: u64,
    /// Spans of hopspan that are exchanges.
    pub(in super::super) exchanges: u64,
    /// What it could not understand.
    pub(in super::super) refused: u64,
}

impl Totals {
    /// What has come since then.
    pub(in super::super) fn since(self, before: Self) -> Self {
        Self {
            hopspan_requests: self.hopspan_requests - before.hopspan_requests,
            hopspan_bytes: self.hopspan_bytes - before.hopspan_bytes,
            hopspan_spans: self.hopspan_spans - before.hopspan_spans,
            exchanges: self.exchanges - before.exchanges,
            refused: self.refused - before.refused,
        }
    }
}

/// An agent's counters at its end, as `hopspan run --report` writes them.
#[derive(Debug)]
pub(in super::super) struct Report(Value);

/// Counters of the kernel programs that mean that a record did not reach user space.
const LOST: [&str; 8] = [
    "open_failed",
    "journey_lost",
    "head_lost",
    "fragment_lost",
    "read_lost",
    "close_lost",
    "device_lost",
    "head_unreadable",
];

impl Report {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let report = serde_json::from_str(&text);
        Ok(Self(report.context("understand the agent's report")?))
    }

    /// A number, by its path of keys.
    ///
    /// # Errors
    /// When there is none: the agent's report has changed.
    pub(in super::super) fn number(&self, path: &[&str]) -> Result<u64> {
        path.iter()
            .fold(&self.0, |value, key| &value[key])
            .as_u64()
            .with_context(|| format!("the agent's report has no {}", path.join(".")))
    }

    /// Requests and their responses that it has paired.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub(in super::super) fn exchanges(&self) -> Result<u64> {
        self.number(&["pipeline", "exchanges"])
    }

    /// Requests that were seen and left out: nobody traces them.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub(in super::super) fn left_out(&self) -> Result<u64> {
        self.number(&["kernel", "journeys", "left_out"])
    }

    /// Exchanges that were shed, wherever.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub(in super::super) fn shed(&self) -> Result<u64> {
        let kernel = self.number(&["kernel", "journeys", "shed"])?;
        let rate = self.number(&["pipeline", "shed", "rate"])?;
        Ok(kernel + rate + self.number(&["pipeline", "shed", "queue"])?)
    }

    /// Records that did not fit anywhere in the kernel.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub(in super::super) fn lost_in_kernel(&self) -> Result<u64> {
        LOST.iter().try_fold(0, |sum, counter| {
            Ok(sum + self.number(&["kernel", "journeys", counter])?)
        })
    }

    /// Spans that were made and did not leave.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub(in super::super) fn spans_lost(&self) -> Result<u64> {
        Ok(self.number(&["export", "failed"])? + self.number(&["export", "dropped"])?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn losses_are_added_up_and_a_missing_counter_is_an_error() {
        let journeys: serde_json::Map<String, Value> = LOST
            .iter()
            .map(|name| ((*name).to_owned(), json!(2)))
            .collect();
        let report = Report(json!({
            "kernel": {"journeys": journeys},
            "export": {"failed": 1, "dropped": 3},
            "pipeline": {"exchanges": 7},
        }));
        assert_eq!(report.lost_in_kernel().unwrap(), 16);
        assert_eq!(report.spans_lost().unwrap(), 4);
        assert_eq!(report.exchanges().unwrap(), 7);
        assert!(Report(json!({})).lost_in_kernel().is_err());
    }

    #[test]
    fn totals_are_what_the_receiver_tells() {
        let text = r#"{"requests":3,"hopspan_requests":2,"hopspan_bytes":900,"spans":40,
            "hopspan_spans":30,"exchanges":1,"refused":0}"#;
        let totals: Totals = serde_json::from_str(text).unwrap();
        assert_eq!(totals.since(Totals::default()), totals);
        assert_eq!(totals.since(totals), Totals::default());
    }
}
