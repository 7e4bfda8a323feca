//! The kernel's run times at one moment. In: the socket of `hopspan-bench programs`. Out: runs and
//! counters, and the difference of two snapshots.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Runs of a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Runs {
    pub(super) runs: u64,
    pub(super) run_ns: u64,
}

/// Sums since the programs were loaded, or between two moments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Snapshot {
    /// By hook.
    pub(super) programs: BTreeMap<String, Runs>,
    /// Of the empty programs, by type.
    pub(super) empty: BTreeMap<String, Runs>,
    /// Hits by hook, and journeys.
    pub(super) counters: BTreeMap<String, u64>,
}

impl Snapshot {
    /// The sums now.
    ///
    /// # Errors
    /// When `hopspan-bench programs` does not answer.
    pub(super) fn take(socket: &Path) -> Result<Self> {
        let context = || format!("read from {}", socket.display());
        let mut stream = UnixStream::connect(socket).with_context(context)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).with_context(context)?;
        serde_json::from_str(&text).with_context(|| format!("parse {text:?}"))
    }

    /// The difference to an earlier snapshot.
    pub(super) fn since(&self, before: &Self) -> Self {
        let runs = |now: &BTreeMap<String, Runs>, then: &BTreeMap<String, Runs>| {
            now.iter()
                .map(|(name, now)| {
                    let then = then.get(name).copied().unwrap_or_default();
                    let since = Runs {
                        runs: now.runs.saturating_sub(then.runs),
                        run_ns: now.run_ns.saturating_sub(then.run_ns),
                    };
                    (name.clone(), since)
                })
                .collect()
        };
        let counters = self.counters.iter().map(|(name, now)| {
            let then = before.counters.get(name).copied().unwrap_or(0);
            (name.clone(), now.saturating_sub(then))
        });
        Self {
            programs: runs(&self.programs, &before.programs),
            empty: runs(&self.empty, &before.empty),
            counters: counters.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_and_subtracted() {
        let text = r#"{"programs":{"cgroup_egress":{"runs":10,"run_ns":1000}},
            "empty":{"tracing":{"runs":5,"run_ns":400}},"counters":{"cgroup_egress":4,"opened":4}}"#;
        let now: Snapshot = serde_json::from_str(text).unwrap();
        assert_eq!(now.since(&Snapshot::default()), now);
        let nothing = now.since(&now);
        assert_eq!(nothing.programs["cgroup_egress"], Runs::default());
        assert_eq!(nothing.counters["opened"], 0);
    }
}
