//! cargo-deny: the dependencies of each cargo workspace by deny.toml. In: the workspaces. Out: a
//! passed, failed or skipped check each; what it finds goes to the terminal.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::summary::Counts;
use crate::setup::cargo_deny;
use crate::workspace::Workspace;

/// Checks licences, sources and versions, and known vulnerabilities where the database of advisories
/// can be fetched.
///
/// # Errors
/// When cargo-deny cannot be run.
pub(super) fn check(workspace: &Workspace) -> Result<Counts> {
    let program = cargo_deny::path(workspace);
    if !program.is_file() {
        let remedy = "target/tools has no cargo-deny, because it could not be built";
        return Ok(Counts::one_skipped("cargo-deny", remedy));
    }
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args(["--workspace", "--config"])
            .arg(workspace.root().join("deny.toml"))
            .args(arguments);
        command
    };
    let mut fetch = deny(&["fetch", "db"]);
    let fetched = fetch
        .current_dir(workspace.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let has_advisories = fetched.context("run cargo-deny")?.success();
    let mut checks = vec!["licenses", "sources", "bans"];
    let mut counts = Counts::default();
    if has_advisories {
        checks.push("advisories");
    } else {
        let reason = "https://github.com/RustSec/advisory-db cannot be fetched";
        counts = Counts::one_skipped("cargo-deny/advisories", reason);
    }
    for directory in [
        workspace.root().to_owned(),
        workspace.ebpf(),
        workspace.fuzz(),
    ] {
        let mut check = deny(&[
            "check",
            "--hide-inclusion-graph",
            "--allow=license-exception-not-encountered",
        ]);
        let status = check.args(&checks).current_dir(&directory).status();
        counts = counts.and(match status.context("run cargo-deny")?.success() {
            true => Counts::one_passed(),
            false => Counts::one_failed(),
        });
    }
    Ok(counts)
}
