//! The root half of `bench`: each benchmark in a lab of its own, one after the other. In: the
//! command line. Out: tables on stdout, JSON, and with --write-docs the documents. A
//! benchmark that fails does not stop the others.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};
use hopspan_lab::teardown_on_signal;

use super::args::BenchArgs;
use super::benchmark::Benchmark;
use super::machine::Machine;
use super::outcome::Outcome;
use super::results::{Results, Run};
use super::settings::Settings;
use super::{
    budget, documents, hooks, loss, realistic, rules, scale, stages, start, userspace, worst,
};
use crate::progress::{self, note};
use crate::workspace::{Profile, Workspace};

/// Runs the benchmarks, and shows and stores their results.
///
/// # Errors
/// When a benchmark failed, after all have run and the results of the others are stored.
pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Result<()> {
    teardown_on_signal()?;
    let machine = Machine::this(&revision(workspace.root()));
    println!("{}", machine.table().text());
    if let Some(warning) = machine.warning() {
        note(&warning);
    }
    let results = Results::of(workspace)?;
    let settings = Settings {
        rounds: args.rounds(),
        is_quick: args.quick,
        binaries: workspace.binaries(Profile::Release)?,
    };
    let (outcomes, failed) = measure(&settings, &results, &args.wanted());
    let budgets = budget::judge(&outcomes)?;
    println!("{}", budget::table(&budgets).text());
    let run = Run {
        machine: &machine,
        rounds: settings.rounds,
        quick: settings.is_quick,
        outcomes: &outcomes,
        budgets: &budgets,
    };
    note(&format!("results: {}", run.write(&results)?.display()));
    if let Some(svg) = documents::svg(&outcomes) {
        let path = results.write(rules::PLOT, &svg)?;
        note(&format!("plot: {}", path.display()));
    }
    if args.write_docs {
        documents::write(workspace.root(), &results, &machine, &outcomes)?;
    }
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

/// Runs each; the outcomes, and the names of those that failed.
fn measure(
    settings: &Settings,
    results: &Results,
    wanted: &[Benchmark],
) -> (Vec<Outcome>, Vec<String>) {
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for benchmark in wanted {
        note(&benchmark.line());
        let begin = Instant::now();
        let outcome = match benchmark {
            Benchmark::Stages => stages::read(results),
            Benchmark::Start => start::run(settings),
            Benchmark::Worst => worst::run(settings),
            Benchmark::Realistic => realistic::run(settings),
            Benchmark::Hooks => hooks::run(settings),
            Benchmark::Userspace => userspace::run(settings),
            Benchmark::Loss => loss::run(settings),
            Benchmark::Scale => scale::run(settings),
            Benchmark::Rules => rules::run(settings),
        };
        match outcome {
            Ok(outcome) => {
                note(&format!("  took {}", progress::duration(begin.elapsed())));
                show(&outcome);
                outcomes.push(outcome);
            }
            Err(error) => {
                note(&format!("{}: {error:#}", benchmark.name()));
                failed.push(benchmark.name());
            }
        }
    }
    (outcomes, failed)
}

fn show(outcome: &Outcome) {
    for table in outcome.all_tables() {
        println!("{}", table.text());
    }
    for note in &outcome.notes {
        println!("  {note}");
    }
    println!();
}

/// The commit that is checked out, and whether the tree differs from it.
fn revision(root: &Path) -> String {
    let git = |args: &[&str]| {
        // The user owns the repository, and this may run as root.
        let output = Command::new("git")
            .args(["-c", "safe.directory=*"])
            .args(args)
            .current_dir(root)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(commit) => match git(&["status", "--porcelain", "--untracked-files=no"]) {
            Some(changes) if changes.is_empty() => commit,
            _ => format!("{commit}, with changes"),
        },
        None => "unknown".to_owned(),
    }
}
