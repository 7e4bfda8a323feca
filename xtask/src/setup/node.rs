//! The Node packages of the matrix of programs. In: a list of packages beside the test. Out: these
//! packages, below target/tools.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result};

use crate::progress::{self, note};
use crate::workspace::Workspace;

/// The list, one package a line, each with its version.
const PACKAGES: &str = "tests/e2e/tests/programs/matrix/node-packages.txt";
/// Its directory in target/tools.
const DIRECTORY: &str = "node-programs";
/// For npm, on a slow network or a busy machine.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Installs the packages, unless they are there. None of their scripts is run.
///
/// # Errors
/// When npm is missing or fails; the message has the end of its output.
pub(super) fn install(workspace: &Workspace) -> Result<()> {
    let list = workspace.root().join(PACKAGES);
    let wanted = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let directory = workspace.tools().join(DIRECTORY);
    // Written last, so that it lists what is installed.
    let installed = directory.join("packages.txt");
    if fs::read_to_string(&installed).is_ok_and(|has| has == wanted) {
        return Ok(());
    }
    let shown = directory.display();
    note(&format!(
        "set-up: installing {PACKAGES} with npm, into {shown}"
    ));
    fs::create_dir_all(&directory).with_context(|| format!("make {shown}"))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .arg("--prefix")
        .arg(&directory)
        .args(wanted.lines().filter(|line| !line.starts_with('#')));
    let log = workspace.log("npm-install");
    progress::run("installing Node packages", &log, LIMIT, &mut npm)?;
    fs::write(&installed, wanted).with_context(|| format!("write {}", installed.display()))
}
