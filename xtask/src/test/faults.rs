//! `cargo xtask test faults`: the tests of docs/reliability.md, and its table with their outcomes. In:
//! the document. Out: counts; the table goes to the terminal.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use super::lab::{self, END_TO_END, Program};
use super::reliability::{self, Fault};
use super::stream;
use super::suites;
use super::summary::Counts;
use crate::sudo::Privilege;
use crate::table::Table;
use crate::workspace::Workspace;

/// Characters of a fault in the table.
const WHAT: usize = 56;

/// Runs each test of the document once.
///
/// # Errors
/// When the tests do not build, or the document cannot be read.
pub(super) fn run(
    workspace: &Workspace,
    privilege: &Privilege,
    filter: Option<&str>,
) -> Result<Counts> {
    let path = workspace.root().join(reliability::DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mut faults = reliability::faults(&document);
    for fault in &mut faults {
        fault
            .tests
            .retain(|test| test.contains(filter.unwrap_or_default()));
    }
    faults.retain(|fault| !fault.tests.is_empty());
    let programs = lab::build(workspace)?;
    let end_to_end = programs.iter().find(|program| program.name == END_TO_END);
    let end_to_end = end_to_end.context("cargo built no end-to-end tests")?;
    let in_lab = lab::tests(end_to_end)?;
    let mut outcomes = BTreeMap::new();
    for test in faults.iter().flat_map(|fault| &fault.tests) {
        if !outcomes.contains_key(test) {
            let outcome = run_test(workspace, privilege, end_to_end, &in_lab, test)?;
            outcomes.insert(test.clone(), outcome);
        }
    }
    println!("{}", text(&faults, &outcomes));
    Ok(outcomes.into_values().fold(Counts::default(), Counts::and))
}

/// Runs a test, or the tests of a module. One that does not exist has failed.
fn run_test(
    workspace: &Workspace,
    privilege: &Privilege,
    end_to_end: &Program,
    in_lab: &[String],
    test: &str,
) -> Result<Counts> {
    let named = |name: &&String| name == &test || test.ends_with("::") && name.starts_with(test);
    let tests: Vec<String> = in_lab.iter().filter(named).cloned().collect();
    let counts = if tests.is_empty() {
        suites::unit(workspace, Some(test))?
    } else {
        stream::run(&mut lab::command(end_to_end, privilege, &[], &tests)?)?
    };
    Ok(match counts == Counts::default() {
        true => Counts::one_failed(),
        false => counts,
    })
}

/// The table: a line for each fault.
fn text(faults: &[Fault], outcomes: &BTreeMap<String, Counts>) -> String {
    let mut table = Table::new("", &["fault", "passed", "failed", "skipped"]);
    for fault in faults {
        let outcomes = fault.tests.iter().filter_map(|test| outcomes.get(test));
        let counts = outcomes.cloned().fold(Counts::default(), Counts::and);
        let what: String = match fault.what.chars().count() {
            0..=WHAT => fault.what.clone(),
            _ => fault.what.chars().take(WHAT - 1).chain(['…']).collect(),
        };
        table.row(vec![
            what,
            counts.passed.to_string(),
            counts.failed.to_string(),
            counts.skipped.len().to_string(),
        ]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_the_outcomes_of_all_its_tests() {
        let fault = |what: &str, tests: &[&str]| Fault {
            what: what.to_owned(),
            tests: tests.iter().map(|test| (*test).to_owned()).collect(),
        };
        let faults = [
            fault("no room", &["disk::", "memory"]),
            fault(
                "a fault that takes far more words than a line of eighty columns has",
                &["disk::"],
            ),
        ];
        let outcomes = BTreeMap::from([
            ("disk::".to_owned(), Counts::one_passed()),
            ("memory".to_owned(), Counts::one_failed()),
        ]);
        let expected = "
  fault                                                     passed  failed  skipped
  no room                                                        1       1        0
  a fault that takes far more words than a line of eighty…       1       0        0
";
        assert_eq!(text(&faults, &outcomes), expected);
    }
}
