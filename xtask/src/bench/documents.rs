//! The documents with results. In: outcomes, of this run or of earlier ones. Out: all tables in
//! docs/performance.md, the budgets and the plot in README.md, and the plot's file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::benchmark::Benchmark;
use super::budget;
use super::document::{self, Part};
use super::machine::Machine;
use super::outcome::Outcome;
use super::results::{FORMAT, Results};
use super::{plot, rules};
use crate::progress::note;

/// What stands above the plot in README.md.
const PLOT_TEXT: &str = "What kube-proxy's rules cost a new connection, as hopspan sees it: the netfilter hop in which the pod
of a SYN is chosen, against the number of services, in both modes.";

/// A run as its file holds it; spreads and verdicts are computed anew.
#[derive(Debug, Deserialize)]
struct Stored {
    format: u32,
    machine: Machine,
    quick: bool,
    outcomes: Vec<Outcome>,
}

/// The plot, where all of its points were measured.
pub(super) fn svg(outcomes: &[Outcome]) -> Option<String> {
    let lines = outcomes.iter().find_map(rules::lines)?;
    plot::svg(&rules::AXES, &lines)
}

/// Writes the documents from files of earlier runs. Of a benchmark that several files have, the
/// last counts.
///
/// # Errors
/// When a file is no run's, or a quick run's, or a document has no markers for a table.
pub(super) fn write_from(workspace: &Path, files: &[PathBuf]) -> Result<()> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut machine: Option<Machine> = None;
    for path in files {
        let stored = read(path)?;
        if let Some(before) = &machine
            && before.revision != stored.machine.revision
        {
            let (one, other) = (&before.revision, &stored.machine.revision);
            note(&format!(
                "the files are of two revisions: {one} and {other}"
            ));
        }
        for outcome in stored.outcomes {
            outcomes.retain(|known| known.benchmark != outcome.benchmark);
            outcomes.push(outcome);
        }
        machine = Some(stored.machine);
    }
    let machine = machine.context("no results were given")?;
    let results = Results::in_directory(&workspace.join("docs"), workspace)?;
    write(workspace, &results, &machine, &outcomes)
}

fn read(path: &Path) -> Result<Stored> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("read {shown}"))?;
    let stored: Stored = serde_json::from_str(&text).with_context(|| format!("parse {shown}"))?;
    ensure!(
        stored.format == FORMAT,
        "{shown} has the format {}, and this program writes {FORMAT}: measure again",
        stored.format
    );
    ensure!(
        !stored.quick,
        "{shown} is of a quick run, which only shows that the benchmarks work"
    );
    Ok(stored)
}

/// Writes the documents.
///
/// # Errors
/// When a document cannot be written, or has no markers for a table.
pub(super) fn write(
    workspace: &Path,
    results: &Results,
    machine: &Machine,
    outcomes: &[Outcome],
) -> Result<()> {
    let docs = workspace.join("docs");
    let mut parts = vec![Part::new("machine", machine.table().markdown())];
    parts.extend(
        outcomes
            .iter()
            .map(|of| Part::new(&of.benchmark, markdown(of))),
    );
    let mut readme_parts = Vec::new();
    match missing(outcomes) {
        // Otherwise budgets that an earlier run has measured would be written as not measured.
        Some(missing) => note(&format!(
            "the tables of budgets stay as they are: not measured: {missing}"
        )),
        None => {
            let verdicts = budget::judge(outcomes)?;
            budget::unexplained(&verdicts).for_each(|line| note(&line));
            let budgets = Part::new("budgets", budget::markdown(&verdicts));
            readme_parts.push(budgets.clone());
            parts.push(budgets);
        }
    }
    if let Some(svg) = svg(outcomes) {
        results.write_to(&docs.join(rules::PLOT), &svg)?;
        let (title, file) = (rules::AXES.title, rules::PLOT);
        let plot = format!("{PLOT_TEXT}\n\n![{title}](docs/{file})");
        readme_parts.push(Part::new("plot", plot));
    }
    fill(results, &docs.join("performance.md"), &parts)?;
    fill(results, &workspace.join("README.md"), &readme_parts)?;
    note(&format!("documents: README.md and {}", docs.display()));
    Ok(())
}

/// The benchmarks without an outcome, if there are any.
fn missing(outcomes: &[Outcome]) -> Option<String> {
    let is_there = |name: &str| outcomes.iter().any(|of| of.benchmark == name);
    let names = Benchmark::all().iter().map(|benchmark| benchmark.name());
    let missing: Vec<String> = names.filter(|name| !is_there(name)).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn fill(results: &Results, path: &Path, parts: &[Part]) -> Result<()> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("read {shown}"))?;
    let filled = document::replace(&text, parts).with_context(|| format!("fill {shown}"))?;
    results.write_to(path, &filled)
}

fn markdown(outcome: &Outcome) -> String {
    let tables = outcome.all_tables();
    let tables = tables
        .iter()
        .map(|table| format!("**{}**\n\n{}\n", table.title, table.markdown()));
    let notes = outcome.notes.iter().map(|note| format!("- {note}\n"));
    tables.chain(notes).collect()
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Unit;
    use super::super::results::Run;
    use super::*;

    /// A copy of the documents, and the file of a run with all benchmarks.
    fn workspace(quick: bool) -> (tempfile::TempDir, PathBuf) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("docs")).unwrap();
        for document in ["README.md", "docs/performance.md"] {
            fs::copy(here.join(document), directory.path().join(document)).unwrap();
        }
        let outcome = |benchmark: &Benchmark| {
            let mut outcome = match benchmark {
                Benchmark::Rules => rules::flat(1.0),
                _ => Outcome::new(&benchmark.name()),
            };
            outcome.figure("attached", "unlikely 4711", Unit::Count, vec![4711.0; 7]);
            outcome
        };
        let outcomes: Vec<Outcome> = Benchmark::all().iter().map(outcome).collect();
        let results = Results::in_directory(&directory.path().join("bench"), directory.path());
        let run = Run {
            machine: &Machine::this("0123abc"),
            rounds: 7,
            quick,
            outcomes: &outcomes,
            budgets: &budget::judge(&outcomes).unwrap(),
        };
        let path = run.write(&results.unwrap()).unwrap();
        (directory, path)
    }

    #[test]
    fn all_tables_are_written_from_the_file_of_a_run() {
        let (directory, file) = workspace(false);
        write_from(directory.path(), &[file]).unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let performance = read("docs/performance.md");
        assert!(!performance.contains("Not measured yet"), "{performance}");
        let tables = performance.matches("unlikely 4711").count();
        assert_eq!(tables, Benchmark::all().len());
        assert!(performance.contains("0123abc"));
        // 4711 ms is more than the budget of the start.
        let readme = read("README.md");
        assert!(readme.contains("| 4711 | NOT REACHED |"), "{readme}");
        assert!(readme.contains("(docs/connect-cost.svg)"), "{readme}");
        assert!(read("docs/connect-cost.svg").starts_with("<svg"));
    }

    #[test]
    fn a_quick_run_and_other_files_are_refused() {
        let (directory, file) = workspace(true);
        assert!(write_from(directory.path(), &[file]).is_err());
        assert!(write_from(directory.path(), &[]).is_err());
        let other = directory.path().join("other.json");
        fs::write(&other, "{}").unwrap();
        assert!(write_from(directory.path(), &[other]).is_err());
    }

    #[test]
    fn budgets_stay_where_something_was_not_measured() {
        let outcomes = Benchmark::all().iter().map(|of| Outcome::new(&of.name()));
        let outcomes: Vec<Outcome> = outcomes.collect();
        assert_eq!(missing(&outcomes), None);
        let last = outcomes.len() - 1;
        assert_eq!(missing(&outcomes[..last]).as_deref(), Some("rules"));
    }
}
