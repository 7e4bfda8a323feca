//! The documents that show what was measured. In: what was found, now or in earlier runs. Out: every
//! table in docs/performance.md, the budgets in README.md, and the plot beside the former.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::benchmark::Benchmark;
use super::budget::{self, Verdict};
use super::document::{self, Part};
use super::machine::Machine;
use super::outcome::{Figure, Outcome};
use super::results::{FORMAT, Results};
use super::why::{self, Whys};
use super::{plot, rules};
use crate::progress::note;

/// What stands above the plot in README.md.
const PLOT_TEXT: &str = "What kube-proxy's rules cost a new connection, as hopspan sees it: the netfilter hop in which the pod
of a SYN is chosen, against the number of services, in both modes.";

/// What is written.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) machine: &'a Machine,
    pub(super) outcomes: &'a [Outcome],
}

/// A run as its file holds it; what is computed from the measurements is computed anew.
#[derive(Debug, Deserialize)]
struct Stored {
    format: u32,
    machine: Machine,
    quick: bool,
    outcomes: Vec<Outcome>,
}

/// How all budgets stand.
pub(super) fn judge(outcomes: &[Outcome]) -> Vec<Verdict> {
    let figures: Vec<&Figure> = outcomes.iter().flat_map(|of| &of.figures).collect();
    budget::judge(&figures)
}

/// The plot, where everything on it was measured.
pub(super) fn svg(outcomes: &[Outcome]) -> Option<String> {
    let lines = outcomes.iter().find_map(rules::lines)?;
    plot::svg(&rules::AXES, &lines)
}

/// Writes the documents from files of earlier runs. Of a benchmark that several have, the last counts.
///
/// # Errors
/// When a file is no run's, or of a quick one, or a document has no place for a table.
pub(super) fn write_from(workspace: &Path, files: &[PathBuf]) -> Result<()> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut machine: Option<Machine> = None;
    for path in files {
        let stored = read(path)?;
        if let Some(before) = &machine
            && before.revision != stored.machine.revision
        {
            let (one, other) = (&before.revision, &stored.machine.revision);
            note(&format!("these are of two revisions: {one} and {other}"));
        }
        for outcome in stored.outcomes {
            outcomes.retain(|known| known.benchmark != outcome.benchmark);
            outcomes.push(outcome);
        }
        machine = Some(stored.machine);
    }
    let machine = machine.context("no results were given")?;
    let results = Results::in_directory(&workspace.join("docs"), workspace)?;
    let found = Found {
        machine: &machine,
        outcomes: &outcomes,
    };
    write(workspace, &results, &found)
}

fn read(path: &Path) -> Result<Stored> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("read {shown}"))?;
    let stored: Stored =
        serde_json::from_str(&text).with_context(|| format!("understand {shown}"))?;
    ensure!(
        stored.format == FORMAT,
        "{shown} has the format {}, and this program writes {FORMAT}: measure again",
        stored.format
    );
    if stored.quick {
        bail!("{shown} is of a quick run, which says nothing about cost");
    }
    Ok(stored)
}

/// Writes the documents.
///
/// # Errors
/// When a document cannot be written, or has no place for a table.
pub(super) fn write(workspace: &Path, results: &Results, found: &Found<'_>) -> Result<()> {
    let docs = workspace.join("docs");
    let part = |name: &str, text: String| Part {
        name: name.to_owned(),
        text,
    };
    let readme = workspace.join("README.md");
    let mut parts = vec![part("machine", found.machine.table().markdown())];
    let tables = found.outcomes.iter();
    parts.extend(tables.map(|of| part(&of.benchmark, markdown(of))));
    match missing(found.outcomes) {
        // Half of the budgets would be written as not measured, though they were another time.
        Some(missing) => note(&format!(
            "the tables of budgets stay as they are: not measured: {missing}"
        )),
        None => {
            let budgets = budgets(workspace, found.outcomes)?;
            fill(results, &readme, &[part("budgets", budgets.clone())])?;
            parts.push(part("budgets", budgets));
        }
    }
    fill(results, &docs.join("performance.md"), &parts)?;
    if let Some(svg) = svg(found.outcomes) {
        results.write_to(&docs.join(rules::PLOT), &svg)?;
        let shown = format!(
            "{PLOT_TEXT}\n\n![{}](docs/{})",
            rules::AXES.title,
            rules::PLOT
        );
        fill(results, &readme, &[part("plot", shown)])?;
    }
    note(&format!("documents: README.md and {}", docs.display()));
    Ok(())
}

/// The table of budgets; notes where it is not said why one is missed.
fn budgets(workspace: &Path, outcomes: &[Outcome]) -> Result<String> {
    let whys = Whys::read(workspace)?;
    let budgets = judge(outcomes);
    for figure in budget::unexplained(&budgets, &whys) {
        note(&format!("{figure} is missed: say why in {}", why::FILE));
    }
    Ok(budget::markdown(&budgets, &whys))
}

fn missing(outcomes: &[Outcome]) -> Option<String> {
    let is_there = |name: &str| outcomes.iter().any(|of| of.benchmark == name);
    let names = Benchmark::ALL.map(Benchmark::name).into_iter();
    let missing: Vec<&str> = names.filter(|name| !is_there(name)).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn fill(results: &Results, path: &Path, parts: &[Part]) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let filled = document::replace(&text, parts);
    results.write_to(
        path,
        &filled.with_context(|| format!("fill {}", path.display()))?,
    )
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

    const DOCUMENTS: [&str; 3] = ["README.md", "docs/performance.md", why::FILE];

    /// A copy of the documents, and the file of a run that has all benchmarks in it.
    fn workspace(quick: bool) -> (tempfile::TempDir, PathBuf) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("docs")).unwrap();
        for document in DOCUMENTS {
            fs::copy(here.join(document), directory.path().join(document)).unwrap();
        }
        let outcomes = Benchmark::ALL.map(|benchmark| {
            let mut outcome = match benchmark {
                Benchmark::Rules => rules::flat(1.0),
                _ => Outcome::new(benchmark.name()),
            };
            outcome.figure("attached", "unlikely 4711", Unit::Count, vec![4711.0; 7]);
            outcome
        });
        let results = Results::in_directory(&directory.path().join("bench"), directory.path());
        let run = Run {
            machine: &Machine::this("0123abc"),
            rounds: 7,
            quick,
            outcomes: &outcomes,
            budgets: &judge(&outcomes),
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
        assert_eq!(tables, Benchmark::ALL.len());
        assert!(performance.contains("0123abc"));
        // 4711 ms is beyond the budget of the start.
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
        let outcomes = Benchmark::ALL.map(|benchmark| Outcome::new(benchmark.name()));
        assert_eq!(missing(&outcomes), None);
        let last = outcomes.len() - 1;
        assert_eq!(missing(&outcomes[..last]).as_deref(), Some("rules"));
    }
}
