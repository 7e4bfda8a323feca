//! `cargo xtask run`: set-up, build, and then the lab as root. In: the command line. Out: an exit
//! status; the viewer prints the traces. This half runs as the user, who therefore owns all files
//! that it writes; `lab` is the root half.

mod app;
pub(crate) mod args;
mod collector_check;
mod fault;
mod hotrod;
pub(crate) mod lab;
mod parts;
mod usage;

use std::convert::Infallible;
use std::fs::File;

use anyhow::{Context, Result, ensure};

use crate::setup::Setup;
use crate::sudo::Privilege;
use crate::workspace::Workspace;
use args::{App, RunArgs};

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
    if let Some(binary) = &args.hotrod {
        let found = binary
            .metadata()
            .with_context(|| format!("--hotrod {}", binary.display()))?;
        ensure!(found.is_file(), "--hotrod {}: not a file", binary.display());
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
    let packages = match (args.app, &args.hotrod) {
        (App::Hotrod, None) => &["tracer-user", "hotrod"][..],
        _ => &["tracer-user"],
    };
    workspace.build(args.profile(), packages)?;
    privilege.exec_root_half(LAB_SUBCOMMAND)
}
