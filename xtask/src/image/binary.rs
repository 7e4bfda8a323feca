//! The static binary. In: the workspace. Out: an executable that needs no file but itself.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::Workspace;

/// Builds `hopspan` for this machine's target, statically linked and stripped.
///
/// # Errors
/// When cargo fails, or what it made is not static.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let target = host_target()?;
    let mut cargo = workspace.cargo(["build", "--release", "--target", &target]);
    cargo
        .args(["--package", "tracer-user", "--bin", "hopspan"])
        // For this target alone: build scripts, which load libraries, are built for the host, and the
        // kernel programs for their own.
        .env(
            format!("CARGO_TARGET_{}_RUSTFLAGS", variable_part(&target)),
            "-C target-feature=+crt-static",
        )
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .stdin(Stdio::null());
    let status = cargo.status().context("run cargo")?;
    ensure!(status.success(), "the static binary cannot be built");
    let binary = workspace
        .target_dir()?
        .join(&target)
        .join("release/hopspan");
    let elf = fs::read(&binary).with_context(|| format!("read {}", binary.display()))?;
    match needs_interpreter(&elf) {
        Some(false) => Ok(binary),
        Some(true) => bail!(
            "{} wants a dynamic linker: is there a static C library for {target}?",
            binary.display()
        ),
        None => bail!("{} is no ELF executable of 64 bits", binary.display()),
    }
}

/// The target that cargo builds for by default, such as `x86_64-unknown-linux-gnu`.
fn host_target() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("run rustc -vV")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}

/// As cargo writes a target in the names of variables.
fn variable_part(target: &str) -> String {
    target.to_uppercase().replace(['-', '.'], "_")
}

/// Whether an executable has a PT_INTERP segment (elf(5)); `None` when it is none.
fn needs_interpreter(elf: &[u8]) -> Option<bool> {
    const ELF_64_LITTLE: &[u8] = b"\x7fELF\x02\x01";
    const PT_INTERP: u32 = 3;
    if !elf.starts_with(ELF_64_LITTLE) {
        return None;
    }
    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    let headers = u64::from_le_bytes(elf.get(32..40)?.try_into().ok()?);
    let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
    let headers = usize::try_from(headers).ok()?;
    (0..count)
        .map(|index| {
            let at = headers.checked_add(index * size)?;
            let kind = elf.get(at..at.checked_add(4)?)?.try_into().ok()?;
            Some(u32::from_le_bytes(kind) == PT_INTERP)
        })
        .try_fold(false, |found, is| Some(found || is?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Whether the binary runs where there is nothing else: in a root directory of its own.
    fn runs_alone(binary: &Path) -> Result<bool> {
        let directory = tempfile::tempdir().context("make a directory")?;
        fs::copy(binary, directory.path().join("hopspan")).context("copy the binary")?;
        let status = Command::new("chroot")
            .arg(directory.path())
            .args(["/hopspan", "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("run chroot")?;
        Ok(status.success())
    }

    #[test]
    fn targets_in_the_names_of_variables() {
        assert_eq!(
            variable_part("x86_64-unknown-linux-gnu"),
            "X86_64_UNKNOWN_LINUX_GNU"
        );
    }

    #[test]
    fn a_test_program_is_dynamic_and_garbage_is_nothing() {
        let this = fs::read(env::current_exe().unwrap()).unwrap();
        assert_eq!(needs_interpreter(&this), Some(true));
        assert_eq!(needs_interpreter(b"#!/bin/sh"), None);
        for length in 0..200 {
            // Cut anywhere, it is not taken for static.
            assert_ne!(needs_interpreter(&this[..length]), Some(false), "{length}");
        }
    }

    #[test]
    fn the_static_binary_runs_alone() {
        const TEST: &str = "the_static_binary_runs_alone";
        let target = host_target().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let binary = root.join("target").join(target).join("release/hopspan");
        if !nix::unistd::geteuid().is_root() {
            println!("SKIP {TEST}: chroot needs root");
        } else if !binary.is_file() {
            println!("SKIP {TEST}: `cargo xtask image` has not built it");
        } else {
            let elf = fs::read(&binary).unwrap();
            assert_eq!(needs_interpreter(&elf), Some(false));
            assert!(runs_alone(&binary).unwrap());
        }
    }
}
