//! `cargo xtask fuzz`: a minute of libFuzzer for every parser. In: which targets, how long. Out: a
//! table of what ran, and a failure when an input crashed a target, with the input and how to run
//! it again.
//!
//! The targets are in fuzz/, a cargo workspace of its own. All output is below target/fuzz: the
//! corpora grow from one run to the next. Seeds, and the inputs that the checkout keeps, are written
//! anew each time.

mod kept;
mod libfuzzer;
mod seeds;
mod table;
mod target;
mod tools;

use std::num::NonZero;
use std::process::ExitCode;
use std::thread;

use anyhow::Result;
use clap::Args;

use crate::progress;
use crate::workspace::Workspace;
use libfuzzer::Run;
use target::Target;
use tools::Tools;

/// Fuzz the parsers and the pipeline, a minute each
///
/// Needs a C++ compiler, for libFuzzer. Seeds are made from the tests' captures and recordings, and
/// from fuzz/corpus. The exit status is a failure when an input crashed a target.
#[derive(Debug, Clone, Args)]
pub(crate) struct FuzzArgs {
    /// Which targets [default: all]
    #[arg(value_enum, value_name = "TARGET")]
    targets: Vec<Target>,

    /// How long each target runs
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    seconds: NonZero<u32>,

    /// How many targets run side by side; each takes a CPU and up to 2 GB [default: all CPUs]
    #[arg(long, value_name = "COUNT")]
    jobs: Option<NonZero<usize>>,

    /// Afterwards add to fuzz/corpus the inputs that reach what no seed and no kept input reaches
    #[arg(long)]
    keep: bool,
}

/// Runs the targets.
///
/// # Errors
/// When they cannot be built or started. The table contains crashes.
pub(crate) fn run(workspace: &Workspace, args: &FuzzArgs) -> Result<ExitCode> {
    let targets = match &args.targets[..] {
        [] => Target::all(),
        named => named.to_vec(),
    };
    let jobs = args.jobs.map_or_else(cpus, NonZero::get);
    let tools = Tools::get(workspace)?;
    let runs = run_targets(workspace, &tools, &targets, args.seconds.get(), jobs)?;
    println!("{}", table::text(&runs));
    if args.keep {
        for target in targets {
            let kept = kept::add(workspace, &tools, target)?;
            progress::note(&format!(
                "fuzz: {kept} more inputs of {} are kept",
                target.name()
            ));
        }
    }
    Ok(if runs.iter().all(Run::is_success) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs each target for so many seconds, as a part of the tests. Returns how many passed and how many
/// failed.
///
/// # Errors
/// As [`run`].
pub(crate) fn test(workspace: &Workspace, seconds: u32) -> Result<[usize; 2]> {
    let tools = Tools::get(workspace)?;
    let runs = run_targets(workspace, &tools, &Target::all(), seconds, cpus())?;
    println!("{}", table::text(&runs));
    let passed = runs.iter().filter(|run| run.is_success()).count();
    Ok([passed, runs.len() - passed])
}

fn cpus() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn run_targets(
    workspace: &Workspace,
    tools: &Tools,
    targets: &[Target],
    seconds: u32,
    jobs: usize,
) -> Result<Vec<Run>> {
    tools.build(workspace, targets)?;
    for target in targets {
        kept::write_first(workspace, tools, *target, &tools.corpus(*target))?;
    }
    let mut runs = Vec::new();
    for side_by_side in targets.chunks(jobs) {
        runs.extend(run_side_by_side(tools, side_by_side, seconds)?);
    }
    Ok(runs)
}

fn run_side_by_side(tools: &Tools, targets: &[Target], seconds: u32) -> Result<Vec<Run>> {
    let names: Vec<String> = targets.iter().map(|target| target.name()).collect();
    progress::during(format!("fuzzing {}", names.join(", ")), || {
        thread::scope(|scope| {
            let started: Vec<_> = targets
                .iter()
                .map(|target| scope.spawn(|| libfuzzer::run(tools, *target, seconds)))
                .collect();
            let ended = started.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            ended.collect::<Result<Vec<Run>>>()
        })
    })
}
