//! `cargo xtask bench`: what hopspan costs. In: the command line. Out: tables, verdicts and JSON.
//! This half sets up, builds and measures the pure stages as the user; `root` measures the rest, in
//! a lab. Nothing here is a test: a worse number is no failure.

pub(crate) mod args;
mod benchmark;
mod budget;
mod document;
mod documents;
mod fixture;
mod hooks;
mod loss;
mod machine;
mod outcome;
mod plot;
mod realistic;
mod results;
pub(crate) mod root;
mod rules;
mod scale;
mod settings;
mod stages;
mod start;
mod statistics;
mod userspace;
mod worst;

use anyhow::Result;

use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::{Profile, Workspace};
use args::BenchArgs;
use benchmark::Benchmark;

/// The hidden subcommand of the root half.
pub(crate) const ROOT_SUBCOMMAND: &str = "bench-run";

/// Measures. Returns only where no lab is needed, or something failed: the root half replaces this
/// process.
///
/// # Errors
/// What set-up, the build or a benchmark could not do.
pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Result<()> {
    if args.list {
        for benchmark in Benchmark::all() {
            println!("{}", benchmark.line());
        }
        return Ok(());
    }
    if !args.docs_from.is_empty() {
        return documents::write_from(workspace.root(), &args.docs_from);
    }
    let wanted = args.wanted();
    let needs_lab = wanted.iter().copied().any(Benchmark::needs_lab);
    let privilege = match needs_lab {
        true => Privilege::obtain("to run the lab"),
        false => Privilege::none("these benchmarks need no root"),
    };
    let setup = Setup::new(workspace, &privilege);
    if needs_lab {
        setup.check()?;
    }
    setup.prepare_build()?;
    if needs_lab {
        setup.prepare_lab()?;
        setup.prepare_bench()?;
    }
    if wanted.contains(&Benchmark::Stages) {
        stages::run(workspace, args.quick)?;
    }
    if !needs_lab {
        return root::run(workspace, args);
    }
    let packages = ["tracer-user", "hotrod", "hopspan-echo", "hopspan-bench"];
    workspace.build(Profile::Release, &packages)?;
    match privilege.exec_root_half(ROOT_SUBCOMMAND)? {}
}
