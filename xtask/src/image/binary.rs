//! The static binary. In: the workspace. Out: an executable that needs no file but itself.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, host_target};

/// Builds `hopspan` for this machine's target, statically linked and stripped.
///
/// # Errors
/// When cargo fails.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let target = host_target(&mut Command::new(rustc))?;
    let mut cargo = workspace.cargo(["build", "--release", "--target", &target]);
    cargo
        .args(["--package", "tracer-user", "--bin", "hopspan"])
        // For this target alone: build scripts load libraries and are built for the host, and the
        // kernel programs have a target of their own.
        .env(
            format!("CARGO_TARGET_{}_RUSTFLAGS", variable_part(&target)),
            "-C target-feature=+crt-static",
        )
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .stdin(Stdio::null());
    let status = cargo.status().context("run cargo")?;
    ensure!(status.success(), "the static binary cannot be built");
    let programs = workspace.target_dir()?.join(&target).join("release");
    Ok(programs.join("hopspan"))
}

/// As cargo writes a target in the names of variables.
fn variable_part(target: &str) -> String {
    target.to_uppercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Whether the binary runs in a root directory without other files.
    fn runs_alone(binary: &Path) -> bool {
        let directory = tempfile::tempdir().unwrap();
        fs::copy(binary, directory.path().join("hopspan")).unwrap();
        let mut chroot = Command::new("chroot");
        chroot.arg(directory.path()).args(["/hopspan", "--version"]);
        let status = chroot.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.unwrap().success()
    }

    #[test]
    fn targets_in_the_names_of_variables() {
        assert_eq!(
            variable_part("x86_64-unknown-linux-gnu"),
            "X86_64_UNKNOWN_LINUX_GNU"
        );
    }

    #[test]
    fn the_static_binary_runs_alone() {
        const TEST: &str = "the_static_binary_runs_alone";
        let target = host_target(&mut Command::new("rustc")).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let binary = root.join("target").join(target).join("release/hopspan");
        if !nix::unistd::geteuid().is_root() {
            println!("SKIP {TEST}: chroot needs root");
        } else if !binary.is_file() {
            println!("SKIP {TEST}: `cargo xtask image` has not built it");
        } else {
            assert!(runs_alone(&binary));
        }
    }
}
