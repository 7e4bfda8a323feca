//! `cargo xtask run`: set-up, build, and then the lab as root. In: the command line. Out: an exit
//! status; the viewer prints the traces. This half runs as the user, who therefore owns all files
//! that it writes; `lab` is the root half.

pub(crate) mod args;
mod collector_check;
mod fault;
mod hotrod;
pub(crate) mod lab;
mod parts;

use std::convert::Infallible;
use std::fs::File;

use anyhow::{Context, Result};

use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::Workspace;
use args::RunArgs;

/// The hidden subcommand of the root half.
pub(crate) const LAB_SUBCOMMAND: &str = "lab-run";

/// Sets up and builds. Returns only when something failed: the root half replaces this process.
///
/// # Errors
/// What set-up or the build could not do.
pub(crate) fn run(workspace: &Workspace, args: &RunArgs) -> Result<Infallible> {
    if let Some(url) = &args.otlp {
        collector_check::check(url)?;
    }
    let privilege = Privilege::obtain("to run the lab");
    let setup = Setup::new(workspace, &privilege);
    setup.check()?;
    if let Some(json) = &args.json {
        // Created here, the file is the user's, and a path that cannot be written fails early.
        File::create(json).with_context(|| format!("create {}", json.display()))?;
    }
    setup.prepare_build()?;
    setup.prepare_lab()?;
    workspace.build(args.profile(), &["tracer-user", "hotrod"])?;
    privilege.exec_root_half(LAB_SUBCOMMAND)
}
