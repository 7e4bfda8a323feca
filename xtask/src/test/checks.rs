//! Checks without tests in them: rustfmt and clippy, for the workspace, the kernel programs and the
//! fuzz targets. In: the workspace. Out: one passed, failed or skipped check each; what the tools
//! say goes straight to the terminal.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use ebpf_toolchain::Found;

use super::summary::Counts;
use crate::workspace::{Workspace, has_program};

/// rustfmt, every package of the workspace.
pub(super) fn rustfmt(workspace: &Workspace) -> Result<Counts> {
    check(&mut workspace.cargo(["fmt", "--all", "--check"]))
}

/// rustfmt, the kernel programs.
pub(super) fn rustfmt_ebpf(workspace: &Workspace) -> Result<Counts> {
    check(
        workspace
            .cargo(["fmt", "--check"])
            .current_dir(workspace.ebpf()),
    )
}

/// clippy, every package and target of the workspace, warnings denied.
pub(super) fn clippy(workspace: &Workspace) -> Result<Counts> {
    check(&mut workspace.cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))
}

/// clippy, the kernel programs, warnings denied.
///
/// They are linted for the eBPF target by the toolchain that builds them: for the host they would
/// not compile.
pub(super) fn clippy_ebpf(workspace: &Workspace, found: &Found) -> Result<Counts> {
    let toolchain = &found.toolchain;
    if !toolchain.has_clippy() {
        let remedy = format!(
            "{} has no clippy; rustup component add clippy --toolchain {0}",
            toolchain.name
        );
        return Ok(Counts::one_skipped(
            "clippy of the kernel programs",
            &remedy,
        ));
    }
    let mut command = Command::new("rustup");
    command
        .args([
            "run",
            &toolchain.name,
            "cargo",
            "clippy",
            "--bins",
            "-Z",
            "build-std=core",
        ])
        .args(["--target", ebpf_target(), "--target-dir"])
        .arg(workspace.target_dir()?.join("clippy-ebpf"))
        .args(["--", "--deny", "warnings"])
        .envs(found.env())
        .current_dir(workspace.ebpf());
    check(&mut command)
}

/// rustfmt, the fuzz targets.
pub(super) fn rustfmt_fuzz(workspace: &Workspace) -> Result<Counts> {
    check(
        workspace
            .cargo(["fmt", "--check"])
            .current_dir(workspace.fuzz()),
    )
}

/// clippy, the fuzz targets, warnings denied: they compile the pure stages without the rest of the
/// agent, so this also shows that those do no I/O.
pub(super) fn clippy_fuzz(workspace: &Workspace) -> Result<Counts> {
    if !has_program("c++") {
        let remedy = "c++ is not on PATH, and libFuzzer is C++; apt install g++";
        return Ok(Counts::one_skipped("clippy of the fuzz targets", remedy));
    }
    let target_dir = workspace.target_dir()?.join("fuzz").join("check");
    let mut command = workspace.cargo(["clippy", "--bins", "--target-dir"]);
    command
        .arg(target_dir)
        .args(["--", "--deny", "warnings"])
        .current_dir(workspace.fuzz());
    check(&mut command)
}

/// The kernel's byte order is the host's.
fn ebpf_target() -> &'static str {
    if cfg!(target_endian = "big") {
        "bpfeb-unknown-none"
    } else {
        "bpfel-unknown-none"
    }
}

fn check(command: &mut Command) -> Result<Counts> {
    let program = Path::new(command.get_program()).display().to_string();
    let status = command.status().with_context(|| format!("run {program}"))?;
    Ok(if status.success() {
        Counts::one_passed()
    } else {
        Counts::one_failed()
    })
}
