//! `cargo xtask test`: every check and test of the project, phase by phase. In: which part, and a
//! filter. Out: the output of the tests, a summary, and as the last line the counts. A failing
//! phase does not hide the later ones.

mod checks;
mod dependencies;
mod faults;
pub(crate) mod lab;
mod libtest;
mod page;
mod reliability;
pub(crate) mod soak;
mod stream;
mod suites;
mod summary;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::progress::note;
use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::Workspace;
use lab::{Modules, Selection};
use summary::{Counts, Summary};

/// Run every check and test: rustfmt, clippy, unit tests, replays, doc tests, the lab
///
/// Lab tests need root: as an ordinary user they run through sudo, and where there is none they are
/// skipped. The last line has the counts; the exit status is a failure when anything failed or
/// nothing ran.
#[derive(Debug, Clone, Args)]
pub(crate) struct TestArgs {
    /// Which part
    #[arg(value_enum, default_value_t = Part::All)]
    part: Part,

    /// Run only the tests whose path contains TEXT, and no checks
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// With `programs`: also each client with each server of its protocol, in a matrix
    ///
    /// HTTP/1.1, HTTP/2 and gRPC. Installs the matrix's libraries of Python and Node into target/tools.
    /// Programs that this machine lacks are skipped.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Unit tests and replays: no root, the inner loop
    Unit,
    /// The lab end to end: needs root
    Lab,
    /// The lab's tests with other projects' programs: needs root
    Programs,
    /// Two nodes that export to Arize Phoenix, another project's back end: needs root, on demand
    /// only
    ///
    /// Installs Phoenix into target/tools.
    BackEnd,
    /// The page of `hopspan view`, also in Chromium, on demand only
    Page,
    /// The faults of docs/reliability.md, each with the outcome of its tests: needs root
    Faults,
    /// Everything
    All,
}

/// One phase: its name, and what it does.
struct Phase<'a> {
    name: &'static str,
    run: Box<dyn FnOnce() -> Result<Counts> + 'a>,
}

impl<'a> Phase<'a> {
    fn new(name: &'static str, run: impl FnOnce() -> Result<Counts> + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// Runs the phases of the part and prints the summary.
///
/// # Errors
/// Only when set-up fails: what fails in a phase is counted.
pub(crate) fn run(workspace: &Workspace, args: &TestArgs) -> Result<ExitCode> {
    ensure!(
        !args.all || args.part == Part::Programs,
        "--all is an option of `cargo xtask test programs`"
    );
    let privilege = match args.part {
        Part::Unit => Privilege::none("unit tests need no root"),
        Part::Page => Privilege::obtain("to install npm and Chromium where they are missing"),
        Part::Lab | Part::Programs | Part::BackEnd | Part::Faults | Part::All => {
            Privilege::obtain("to run the lab's tests")
        }
    };
    let setup = Setup::new(workspace, &privilege);
    if args.part == Part::Page {
        setup.prepare_page_check(true);
        return Ok(finish(vec![
            Phase::new("page", || page::check(workspace)),
            Phase::new("page in a browser", || page::browser(workspace)),
        ]));
    }
    let toolchain = setup.prepare_tests(args.part != Part::Unit)?;
    if args.all {
        setup.prepare_program_matrix();
    }
    if args.part == Part::BackEnd {
        setup.prepare_back_end()?;
    }
    let filter = args.filter.as_deref();
    let has_checks = args.part == Part::All && filter.is_none();
    if has_checks {
        setup.prepare_dependency_check();
        setup.prepare_page_check(false);
    }
    let selection = Selection {
        filter,
        modules: match args.part {
            Part::Programs => Modules::Programs,
            Part::BackEnd => Modules::BackEnd,
            Part::Unit | Part::Lab | Part::Page | Part::Faults | Part::All => Modules::All,
        },
        program_matrix: args.all,
        environment: &[],
    };
    let mut phases = Vec::new();
    if has_checks {
        for (name, directory) in [
            ("rustfmt", workspace.root().to_owned()),
            ("rustfmt of the kernel programs", workspace.ebpf()),
            ("rustfmt of the fuzz targets", workspace.fuzz()),
        ] {
            let rustfmt = move || checks::rustfmt(workspace, &directory);
            phases.push(Phase::new(name, rustfmt));
        }
        phases.push(Phase::new("clippy", || checks::clippy(workspace)));
        phases.push(Phase::new("clippy of the kernel programs", || {
            checks::clippy_ebpf(workspace, &toolchain)
        }));
        phases.push(Phase::new("clippy of the fuzz targets", || {
            checks::clippy_fuzz(workspace)
        }));
        phases.push(Phase::new("dependencies", || {
            dependencies::check(workspace)
        }));
        phases.push(Phase::new("page", || page::check(workspace)));
        phases.push(Phase::new("fuzz targets", || checks::fuzz(workspace)));
    }
    if matches!(args.part, Part::Unit | Part::All) {
        phases.push(Phase::new("unit tests and replays", || {
            suites::unit(workspace, filter)
        }));
    }
    if args.part == Part::All {
        phases.push(Phase::new("doc tests", || suites::doc(workspace, filter)));
    }
    match args.part {
        Part::Unit | Part::Page => {}
        Part::Faults => phases.push(Phase::new("faults", || {
            faults::run(workspace, &privilege, filter)
        })),
        Part::Lab | Part::Programs | Part::BackEnd | Part::All => {
            phases.push(Phase::new("lab tests", || {
                lab::run(workspace, &privilege, &selection)
            }));
        }
    }
    Ok(finish(phases))
}

/// Runs the phases and prints the summary.
fn finish(phases: Vec<Phase<'_>>) -> ExitCode {
    let summary = run_phases(phases);
    println!("{summary}");
    match summary.is_success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run_phases(phases: Vec<Phase<'_>>) -> Summary {
    let mut summary = Summary::default();
    for Phase { name, run } in phases {
        note(&format!("\n=== {name}"));
        let started = Instant::now();
        let counts = run().unwrap_or_else(|error| {
            note(&format!("error: {error:#}"));
            Counts::one_failed()
        });
        summary.add(name, started.elapsed(), counts);
    }
    summary
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_failing_phase_does_not_hide_the_later_ones() {
        let summary = run_phases(vec![
            Phase::new("first", || bail!("cannot start")),
            Phase::new("second", || Ok(Counts::one_passed())),
        ]);
        assert!(!summary.is_success());
        assert!(
            summary
                .to_string()
                .ends_with("\n1 passed, 1 failed, 0 skipped"),
            "{summary}"
        );
    }
}
