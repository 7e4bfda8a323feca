//! Checks without tests in them: rustfmt, clippy and fuzz targets. In: a cargo workspace. Out: one passed, failed
//! or skipped check each; the output of the tools goes to the terminal.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use ebpf_toolchain::Found;

use super::summary::Counts;
use crate::fuzz;
use crate::workspace::{Workspace, has_program};

/// For each fuzz target.
const FUZZ_SECONDS: u32 = 10;
const DENY_WARNINGS: [&str; 3] = ["--", "--deny", "warnings"];

/// rustfmt, for every package of the cargo workspace in `directory`.
pub(super) fn rustfmt(workspace: &Workspace, directory: &Path) -> Result<Counts> {
    let mut cargo = workspace.cargo(["fmt", "--all", "--check"]);
    check(cargo.current_dir(directory))
}

/// clippy, for every package and target of the workspace.
pub(super) fn clippy(workspace: &Workspace) -> Result<Counts> {
    let mut cargo = workspace.cargo(["clippy", "--workspace", "--all-targets"]);
    check(cargo.args(DENY_WARNINGS))
}

/// clippy, for the kernel programs: for the eBPF target and by the toolchain that builds them,
/// because they do not compile for the host.
pub(super) fn clippy_ebpf(workspace: &Workspace, found: &Found) -> Result<Counts> {
    let toolchain = &found.toolchain;
    if !toolchain.has_clippy() {
        let remedy = format!(
            "{} has no clippy; rustup component add clippy --toolchain {0}",
            toolchain.name
        );
        let name = "clippy of the kernel programs";
        return Ok(Counts::one_skipped(name, &remedy));
    }
    // The kernel's byte order is the host's.
    let target = match cfg!(target_endian = "big") {
        true => "bpfeb-unknown-none",
        false => "bpfel-unknown-none",
    };
    let mut command = Command::new("rustup");
    command
        .args(["run", &toolchain.name, "cargo", "clippy", "--bins"])
        .args(["-Z", "build-std=core", "--target", target, "--target-dir"])
        .arg(workspace.target_dir()?.join("clippy-ebpf"))
        .args(DENY_WARNINGS)
        .envs(found.env())
        .current_dir(workspace.ebpf());
    check(&mut command)
}

/// clippy, for the fuzz targets: they compile the pure stages without the rest of the agent.
pub(super) fn clippy_fuzz(workspace: &Workspace) -> Result<Counts> {
    if !has_program("c++") {
        let remedy = "c++ is not on PATH, and libFuzzer is C++; apt install g++";
        return Ok(Counts::one_skipped("clippy of the fuzz targets", remedy));
    }
    let mut cargo = workspace.cargo(["clippy", "--bins", "--target-dir"]);
    cargo
        .arg(workspace.target_dir()?.join("fuzz/check"))
        .args(DENY_WARNINGS)
        .current_dir(workspace.fuzz());
    check(&mut cargo)
}

/// Each fuzz target for a short time: a crash that is found within seconds does not wait for somebody
/// who fuzzes.
pub(super) fn fuzz(workspace: &Workspace) -> Result<Counts> {
    if !has_program("c++") {
        let remedy = "c++ is not on PATH, and libFuzzer is C++; apt install g++";
        return Ok(Counts::one_skipped("fuzz targets", remedy));
    }
    let [passed, failed] = fuzz::test(workspace, FUZZ_SECONDS)?;
    Ok(Counts {
        passed,
        failed,
        ..Counts::default()
    })
}

fn check(command: &mut Command) -> Result<Counts> {
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("run {program}"))?;
    Ok(if status.success() {
        Counts::one_passed()
    } else {
        Counts::one_failed()
    })
}
