//! The counters that an agent writes at its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Kernel;

/// The report of one agent.
#[derive(Debug)]
pub struct Report(Value);

impl Report {
    /// Reads what `hopspan run --report` wrote.
    ///
    /// # Errors
    /// When the file is not there or no JSON.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// A number, by its path of keys.
    ///
    /// # Panics
    /// When the report has no such number.
    pub fn number(&self, path: &[&str]) -> u64 {
        path.iter()
            .fold(&self.0, |value, key| &value[key])
            .as_u64()
            .unwrap_or_else(|| panic!("the report has no {path:?}: {}", self.0))
    }

    /// The addresses of the pair that lost most records because it had used up its share, in
    /// ascending order.
    pub fn pair_with_most_losses(&self) -> Option<[&str; 2]> {
        let addresses = &self.0["pair_losses"][0]["addresses"];
        Some([addresses[0].as_str()?, addresses[1].as_str()?])
    }

    /// The pairs that lost records, and how many.
    pub fn pair_losses(&self) -> &Value {
        &self.0["pair_losses"]
    }

    /// The counter of failures with these labels. A label without a value is the empty string.
    pub fn failures(&self, reason: &str, service: &str, hop: &str) -> u64 {
        self.failures_where(&[("reason", reason), ("service", service), ("hop", hop)])
    }

    /// The same, summed over all services.
    pub fn failures_of(&self, reason: &str, hop: &str) -> u64 {
        self.failures_where(&[("reason", reason), ("hop", hop)])
    }

    fn failures_where(&self, labels: &[(&str, &str)]) -> u64 {
        let failures = self.0["failures"].as_array().into_iter().flatten();
        failures
            .filter(|failure| labels.iter().all(|(key, value)| failure[key] == *value))
            .filter_map(|failure| failure["count"].as_u64())
            .sum()
    }

    /// How many packets of interest each hook has seen.
    pub fn hits(&self) -> BTreeMap<String, u64> {
        self.0["kernel"]["hits"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(hook, hits)| (hook.clone(), hits.as_u64().unwrap_or(0)))
            .collect()
    }

    /// Requests that were seen: those of complete exchanges, and those that the programs left out.
    pub fn requests(&self) -> u64 {
        self.number(&["pipeline", "exchanges"]) + self.number(&["kernel", "journeys", "left_out"])
    }

    /// The hooks that were not attached, and the reason of each.
    pub fn missing(&self) -> BTreeMap<String, String> {
        self.0["missing"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(hook, reason)| (hook.clone(), reason.as_str().unwrap_or_default().to_owned()))
            .collect()
    }

    /// Asserts that every hook that this kernel has was attached.
    pub fn assert_all_attached(&self, kernel: &Kernel) {
        let missing = self.missing();
        assert_eq!(
            missing.keys().cloned().collect::<BTreeSet<_>>(),
            kernel.lacks(),
            "not attached on {}: {missing:#?}",
            kernel.release()
        );
    }

    /// Asserts that nothing was lost, and that the end of every journey is counted. A packet that
    /// left the programs' sight (`replaced`, `mismatched`, expired) is counted, and no loss.
    pub fn assert_nothing_lost(&self) {
        let journeys = |counter: &str| self.number(&["kernel", "journeys", counter]);
        assert_eq!(self.number(&["lost_in_kernel"]), 0, "{}", self.0);
        assert_eq!(journeys("shed"), 0, "shed: {}", self.0);
        assert_eq!(
            journeys("opened"),
            journeys("closed")
                + journeys("left")
                + journeys("forwarded")
                + journeys("dropped")
                + journeys("replaced")
                + journeys("mismatched")
                + self.number(&["expired"]),
            "more or fewer journeys ended than began: {}",
            self.0
        );
        for path in [
            ["pipeline", "records_refused"],
            ["export", "failed"],
            ["export", "dropped"],
            ["pipeline", "shed"],
        ] {
            assert_eq!(self.number(&path), 0, "{path:?}: {}", self.0);
        }
        assert_eq!(
            self.number(&["pipeline", "spans"]),
            self.number(&["export", "sent"]),
            "spans built and spans sent: {}",
            self.0
        );
    }
}
