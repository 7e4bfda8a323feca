//! `cargo xtask bench`: what hopspan costs. In: the command line. Out: tables, verdicts and JSON.
//! This half sets up, builds and measures the pure stages as the user; `root` measures the rest, in a
//! lab. Nothing here is a test: a number that is worse fails nothing.

mod args;
mod benchmark;
mod budget;
mod document;
mod documents;
mod ground;
mod hooks;
mod loss;
mod machine;
mod outcome;
mod plot;
mod realistic;
mod results;
pub(crate) mod root;
mod rules;
mod said;
mod scale;
mod stages;
mod start;
mod statistics;
mod userspace;
mod why;
mod worst;

use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

pub(crate) use args::{BenchArgs, BenchLabArgs};

use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::{Profile, Workspace};
use benchmark::Benchmark;
use outcome::Outcome;
use results::Results;

/// The hidden subcommand of the root half.
pub(crate) const ROOT_SUBCOMMAND: &str = "bench-run";

/// Measures. Returns only where no lab is needed, or something failed before it: its half replaces
/// this process.
///
/// # Errors
/// What set-up, the build or a benchmark could not do.
pub(crate) fn run(workspace: &Workspace, args: BenchArgs) -> Result<()> {
    if args.list {
        print!("{}", benchmark::list());
        return Ok(());
    }
    if !args.docs_from.is_empty() {
        return documents::write_from(workspace.root(), &args.docs_from);
    }
    let wanted = args.wanted();
    let needs_lab = wanted.iter().copied().any(Benchmark::needs_lab);
    let privilege = if needs_lab {
        Privilege::obtain("to run the lab")
    } else {
        Privilege::None {
            reason: "root was not asked for".to_owned(),
        }
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
    let directory = workspace.target_dir()?.join("bench");
    let results = Results::in_directory(&directory, workspace.root())?;
    let stages = if wanted.contains(&Benchmark::Stages) {
        let outcome = stages::run(workspace, &args)?;
        Some(results.write("stages.json", &serde_json::to_string(&outcome)?)?)
    } else {
        None
    };
    let root = BenchLabArgs {
        workspace: workspace.root().to_owned(),
        binaries: workspace.target_dir()?.join("release"),
        results: directory,
        revision: revision(workspace.root()),
        stages,
        bench: args,
    };
    if !needs_lab {
        return root::run(&root);
    }
    build(workspace)?;
    let mut command = as_root(&privilege, &root)?;
    Err(command.exec()).context("start the lab")
}

/// What `stages` has left for the other half.
fn read_stages(path: &Path) -> Result<Outcome> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("understand {}", path.display()))
}

/// Builds what is measured and what measures, with optimisations.
fn build(workspace: &Workspace) -> Result<()> {
    let packages = ["tracer-user", "hotrod", "hopspan-echo", "hopspan-bench"];
    workspace.build(Profile::Release, &packages)
}

/// The root half of this program, with the same command line. What the user's shell exports to is no
/// concern of the lab's.
fn as_root(privilege: &Privilege, args: &BenchLabArgs) -> Result<Command> {
    let this: PathBuf = env::current_exe().context("find this program")?;
    let mut command = privilege.command("env")?;
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_"))
    {
        command.arg("-u").arg(name);
    }
    command.arg(this).arg(ROOT_SUBCOMMAND).args(args.to_args());
    Ok(command)
}

/// The commit that is checked out, and whether the tree differs from it.
fn revision(root: &Path) -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git")
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
