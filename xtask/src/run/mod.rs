//! `cargo xtask run`: set-up, build, and then the lab as root. In: the command line. Out: an exit
//! status; the traces come from the viewer. This half runs as the user, so that everything it
//! writes is the user's; `lab` is the other half.

mod args;
mod fault;
mod hotrod;
pub(crate) mod lab;
mod parts;

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub(crate) use args::{LabArgs, RunArgs};

use crate::progress::note;
use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::Workspace;

/// The hidden subcommand of the root half.
pub(crate) const LAB_SUBCOMMAND: &str = "lab-run";

/// What the viewer takes from the environment, and sudo does not pass on.
const VIEWER_ENV: [&str; 6] = ["NO_COLOR", "TERM", "COLUMNS", "LANG", "LC_ALL", "LC_CTYPE"];

/// Runs everything. Only returns when something failed before the lab: its half replaces this
/// process.
///
/// # Errors
/// What set-up or the build could not do.
pub(crate) fn run(workspace: &Workspace, args: RunArgs) -> Result<()> {
    let privilege = Privilege::obtain("to run the lab");
    let setup = Setup::new(workspace, &privilege);
    setup.check()?;
    if let Some(json) = &args.json {
        // Made here, it is the user's, and a path that cannot be written fails before anything is
        // started.
        File::create(json).with_context(|| format!("create {}", json.display()))?;
    }
    setup.prepare_build()?;
    setup.prepare_lab()?;
    let (hopspan, hotrod) = build(workspace, args.release)?;
    let lab = LabArgs {
        hopspan,
        hotrod,
        run: args,
    };
    let error = as_root(&privilege, &lab)?.exec();
    Err(error).context("start the lab")
}

/// Builds the agent and the application; cargo shows its own progress.
fn build(workspace: &Workspace, release: bool) -> Result<(PathBuf, PathBuf)> {
    note("building hopspan and hotrod");
    let mut cargo = workspace.cargo([
        "build",
        "--package",
        "tracer-user",
        "--package",
        "hotrod",
        "--bins",
    ]);
    if release {
        cargo.arg("--release");
    }
    let status = cargo.status().context("run cargo build")?;
    if !status.success() {
        bail!("cargo build: {status}");
    }
    let dir = workspace
        .target_dir()?
        .join(if release { "release" } else { "debug" });
    Ok((dir.join("hopspan"), dir.join("hotrod")))
}

/// The root half of this program, with the same command line.
fn as_root(privilege: &Privilege, lab: &LabArgs) -> Result<Command> {
    let this = env::current_exe().context("find this program")?;
    let mut command = privilege.command("env")?;
    // The application and the agent are configured by the lab alone, whatever the user's own shell
    // exports to.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_"))
    {
        command.arg("-u").arg(name);
    }
    for name in VIEWER_ENV {
        if let Some(value) = env::var_os(name) {
            command.arg(assignment(name, value));
        }
    }
    command.arg(this).arg(LAB_SUBCOMMAND).args(lab.to_args());
    Ok(command)
}

fn assignment(name: &str, value: OsString) -> OsString {
    let mut assignment = OsString::from(name);
    assignment.push("=");
    assignment.push(value);
    assignment
}

/// A path as somebody in another directory would write it.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("make {} absolute", path.display()))
}
