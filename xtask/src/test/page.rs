//! The page of `hopspan view`: whether `dist` is what its sources give, its unit tests, and on demand
//! its tests in a browser. In: tracer-view/page. Out: a passed, failed or skipped check each; the
//! output of npm goes to the terminal.

use std::process::Command;

use anyhow::{Context, Result};

use super::summary::Counts;
use crate::workspace::{Workspace, has_program};

/// Types, `dist`, and the tests of what is pure.
///
/// # Errors
/// When npm cannot be run.
pub(super) fn check(workspace: &Workspace) -> Result<Counts> {
    run(workspace, &["check", "test"])
}

/// Chromium: accessibility, keys, hostile names, and how fast it scrolls.
///
/// # Errors
/// When npm cannot be run.
pub(super) fn browser(workspace: &Workspace) -> Result<Counts> {
    if !has_program("chromium") {
        let remedy = "chromium is not on PATH; apt install chromium";
        return Ok(Counts::one_skipped("the page in a browser", remedy));
    }
    run(workspace, &["browser-test"])
}

/// Installs what package-lock.json names, and runs these scripts of package.json.
fn run(workspace: &Workspace, scripts: &[&str]) -> Result<Counts> {
    if !has_program("npm") {
        let remedy = "npm is not on PATH; apt install npm";
        return Ok(Counts::one_skipped("the page", remedy));
    }
    if !npm(workspace, &["ci", "--no-audit", "--no-fund"])? {
        let remedy = "npm ci failed; the registry has to be reachable";
        return Ok(Counts::one_skipped("the page", remedy));
    }
    let mut counts = Counts::default();
    for script in scripts {
        counts = counts.and(match npm(workspace, &["run", "--silent", script])? {
            true => Counts::one_passed(),
            false => Counts::one_failed(),
        });
    }
    Ok(counts)
}

fn npm(workspace: &Workspace, arguments: &[&str]) -> Result<bool> {
    let mut npm = Command::new("npm");
    npm.args(arguments)
        .current_dir(workspace.root().join("tracer-view/page"));
    Ok(npm.status().context("run npm")?.success())
}
