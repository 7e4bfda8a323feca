//! The root half of `bench`: each benchmark in a lab of its own, one after the other. In: the command
//! line with absolute paths. Out: tables on stdout, JSON, and where it was asked for the document.
//! A benchmark that fails is told and leaves the others alone.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hopspan_lab::teardown_on_signal;

use super::benchmark::Benchmark;
use super::budget;
use super::documents::{self, Found};
use super::machine::Machine;
use super::outcome::Outcome;
use super::results::{Results, Run};
use super::{BenchLabArgs, hooks, loss, read_stages, realistic, rules, scale, start};
use super::{userspace, worst};
use crate::progress::{self, note};

/// How long the kernel gets to finish what the last measurement has left: programs and sockets are
/// freed later than they are closed.
const SETTLE: Duration = Duration::from_millis(500);

/// What every benchmark is told.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    args: &'a BenchLabArgs,
}

impl Bench<'_> {
    /// How often everything is measured.
    pub(super) fn rounds(&self) -> u32 {
        self.args.bench.rounds()
    }

    /// How long one measurement takes.
    pub(super) fn length(&self, seconds: u64) -> Duration {
        if self.args.bench.quick {
            Duration::from_secs(1)
        } else {
            Duration::from_secs(seconds)
        }
    }

    /// Waits until the measurement before is over for the kernel, too.
    pub(super) fn settle(&self) {
        thread::sleep(SETTLE);
    }

    /// Whether only the working is to be shown.
    pub(super) fn is_quick(&self) -> bool {
        self.args.bench.quick
    }

    /// One of the project's programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.args.binaries.join(name)
    }

    /// Says where a benchmark is.
    pub(super) fn round(&self, round: u32, what: &str) {
        note(&format!(
            "  round {} of {}: {what}",
            round + 1,
            self.rounds()
        ));
    }
}

/// Runs what is wanted and tells what came of it.
///
/// # Errors
/// When a benchmark failed, after all have run and what was found is written.
pub(crate) fn run(args: &BenchLabArgs) -> Result<()> {
    teardown_on_signal()?;
    let machine = Machine::this(&args.revision);
    println!("{}", machine.table().text());
    if let Some(complaint) = machine.complaint() {
        note(&complaint);
    }
    let (outcomes, failed) = measure(args)?;
    let budgets = documents::judge(&outcomes);
    println!("{}", budget::table(&budgets).text());
    let results = Results::in_directory(&args.results, &args.workspace)?;
    let run = Run {
        machine: &machine,
        rounds: args.bench.rounds(),
        quick: args.bench.quick,
        outcomes: &outcomes,
        budgets: &budgets,
    };
    note(&format!("results: {}", run.write(&results)?.display()));
    if let Some(svg) = documents::svg(&outcomes) {
        let path = results.write(rules::PLOT, &svg)?;
        note(&format!("plot: {}", path.display()));
    }
    if args.bench.write_docs {
        let found = Found {
            machine: &machine,
            outcomes: &outcomes,
        };
        documents::write(&args.workspace, &results, &found)?;
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

/// Runs each; what came of it, and the names of those that failed.
fn measure(args: &BenchLabArgs) -> Result<(Vec<Outcome>, Vec<&'static str>)> {
    let bench = Bench { args };
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for benchmark in args.bench.wanted() {
        note(&format!("{}: {}", benchmark.name(), benchmark.measures()));
        let begin = Instant::now();
        let outcome = match benchmark {
            Benchmark::Stages => {
                let path = args.stages.as_deref();
                path.context("the stages were not measured")
                    .and_then(read_stages)
            }
            Benchmark::Start => start::run(&bench),
            Benchmark::Worst => worst::run(&bench),
            Benchmark::Realistic => realistic::run(&bench),
            Benchmark::Hooks => hooks::run(&bench),
            Benchmark::Userspace => userspace::run(&bench),
            Benchmark::Loss => loss::run(&bench),
            Benchmark::Scale => scale::run(&bench),
            Benchmark::Rules => rules::run(&bench),
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
    Ok((outcomes, failed))
}

fn show(outcome: &Outcome) {
    for table in outcome.all_tables() {
        println!("{}", table.text());
    }
    for remark in &outcome.notes {
        println!("  {remark}");
    }
    println!();
}
