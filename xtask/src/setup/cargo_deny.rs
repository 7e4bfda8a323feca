//! cargo-deny, built from crates.io into target/tools. In: nothing. Out: the program that checks
//! dependencies.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::progress::{self, note};
use crate::workspace::Workspace;

/// The release that is installed.
const PINNED: &str = "0.20.2";

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Where it is.
pub(crate) fn path(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("bin/cargo-deny")
}

/// Builds it, unless it is there.
///
/// # Errors
/// When cargo fails.
pub(super) fn install(workspace: &Workspace) -> Result<()> {
    if path(workspace).is_file() {
        return Ok(());
    }
    note(&format!(
        "set-up: building cargo-deny {PINNED} by cargo, in {}",
        workspace.tools().display()
    ));
    // Not optimised: it runs for a second, and is built in half the time.
    let mut install = workspace.cargo(["install", "cargo-deny", "--locked", "--debug"]);
    install
        .args(["--version", PINNED, "--root"])
        .arg(workspace.tools());
    let log = workspace.log("cargo-deny-build");
    progress::run("building cargo-deny", &log, BUILD_LIMIT, &mut install)
}
