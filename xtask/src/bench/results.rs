//! The results of one run in a file. In: the outcomes, the machine and the verdicts. Out:
//! `target/bench/DATE.json`, owned by the owner of the workspace, though root has measured.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use super::budget::Verdict;
use super::machine::Machine;
use super::outcome::Outcome;
use super::statistics::Spread;
use crate::workspace::Workspace;

/// The version of the file's format.
pub(super) const FORMAT: u32 = 1;

/// Everything about one run.
#[derive(Debug, Serialize)]
pub(super) struct Run<'a> {
    pub(super) machine: &'a Machine,
    pub(super) rounds: u32,
    pub(super) quick: bool,
    pub(super) outcomes: &'a [Outcome],
    pub(super) budgets: &'a [Verdict],
}

impl Run<'_> {
    /// As JSON: every measurement, and beside it the spread of each figure.
    fn json(&self) -> Result<String> {
        let mut run = serde_json::to_value(self).context("write the results as JSON")?;
        run["format"] = FORMAT.into();
        for (outcome, found) in self.outcomes.iter().enumerate() {
            for (figure, of) in found.figures.iter().enumerate() {
                let to = &mut run["outcomes"][outcome]["figures"][figure];
                if let Some(spread) = Spread::of(&of.values) {
                    to["median"] = spread.median.into();
                    to["min"] = spread.min.into();
                    to["q1"] = spread.q1.into();
                    to["q3"] = spread.q3.into();
                    to["max"] = spread.max.into();
                }
            }
        }
        Ok(serde_json::to_string_pretty(&run)? + "\n")
    }

    /// Writes it; the path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, results: &Results) -> Result<PathBuf> {
        // Not every file system takes colons in names.
        let name = format!("{}.json", self.machine.date.replace(':', ""));
        results.write(&name, &self.json()?)
    }
}

/// The directory of all runs.
#[derive(Debug, Clone)]
pub(super) struct Results {
    directory: PathBuf,
    workspace: PathBuf,
}

impl Results {
    /// `target/bench` of a workspace.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn of(workspace: &Workspace) -> Result<Self> {
        let directory = workspace.target_dir()?.join("bench");
        Self::in_directory(&directory, workspace.root())
    }

    /// Creates the directory, unless it exists.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn in_directory(directory: &Path, workspace: &Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        let results = Self {
            directory: directory.to_owned(),
            workspace: workspace.to_owned(),
        };
        results.give_away(directory)?;
        Ok(results)
    }

    /// A file in the directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file in the directory; its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        self.write_to(&path, text)?;
        Ok(path)
    }

    /// Writes a file of the workspace.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write_to(&self, path: &Path, text: &str) -> Result<()> {
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        self.give_away(path)
    }

    /// Makes the owner of the workspace the owner of this path.
    fn give_away(&self, path: &Path) -> Result<()> {
        let owner = |path: &Path| {
            let metadata = fs::metadata(path);
            let metadata = metadata.with_context(|| format!("stat {}", path.display()))?;
            anyhow::Ok((metadata.uid(), metadata.gid()))
        };
        let (uid, gid) = owner(&self.workspace)?;
        if owner(path)? == (uid, gid) {
            return Ok(());
        }
        chown(path, Some(uid), Some(gid))
            .with_context(|| format!("change the owner of {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::budget::judge;
    use super::super::outcome::Unit;
    use super::*;

    #[test]
    fn a_run_has_its_machine_its_measurements_and_its_verdicts() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("bench");
        let results = Results::in_directory(&results, directory.path()).unwrap();
        let mut outcome = Outcome::new("worst");
        let ratios = vec![0.95, 0.93, 0.94, 0.96, 0.92, 0.97, 0.91];
        outcome.figure("sampled_1.ratio", "1 %", Unit::Ratio, ratios);
        let outcomes = [outcome];
        let run = Run {
            machine: &Machine::this("0123abc"),
            rounds: 7,
            quick: false,
            outcomes: &outcomes,
            budgets: &judge(&outcomes).unwrap(),
        };
        let path = run.write(&results).unwrap();
        let text = fs::read_to_string(path).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["format"], 1);
        assert_eq!(json["machine"]["revision"], "0123abc");
        assert!(json["machine"]["kernel"].is_string());
        let figure = &json["outcomes"][0]["figures"][0];
        assert_eq!(figure["key"], "worst.sampled_1.ratio");
        assert_eq!(figure["unit"], "ratio");
        assert_eq!(figure["median"], 0.94);
        assert_eq!(figure["values"].as_array().unwrap().len(), 7);
        assert_eq!(json["budgets"][0]["standing"], "reached");
        assert_eq!(json["budgets"][1]["standing"], "not_measured");
        assert_eq!(json["budgets"][1]["measured"], Value::Null);
    }
}
