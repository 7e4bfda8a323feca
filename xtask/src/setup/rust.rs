//! A Rust toolchain with library source: by rustup into target/tools, else from Debian's packages.
//! In: what this machine has. Out: a toolchain that `ebpf_toolchain` finds. The user's own rustup
//! is never changed.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use ebpf_toolchain::rust::{self, Toolchain};

use super::apt::{self, Apt};
use crate::progress::{self, note};
use crate::workspace::Workspace;

/// What rustup fetches: a release with LLVM 22, which bpf-linker supports. A nightly's LLVM changes
/// without notice.
const PINNED: &str = "1.96.0";

/// 200 MB to fetch, and to unpack.
const LIMIT: Duration = Duration::from_secs(10 * 60);

const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", DEBIAN_CLIPPY];
const DEBIAN_CLIPPY: &str = "rust-web-clippy";

/// Installs a toolchain.
///
/// # Errors
/// When neither rustup nor apt can, with what to do by hand.
pub(super) fn install(workspace: &Workspace, apt: &Apt<'_>) -> Result<()> {
    let Err(by_rustup) = install_by_rustup(workspace) else {
        return Ok(());
    };
    if Apt::is_here() {
        note(&format!("set-up: no toolchain by rustup: {by_rustup:#}"));
        apt.update()?;
        let candidate = apt::candidate(DEBIAN_PACKAGES[0]);
        if candidate.is_some_and(|candidate| candidate >= rust::OLDEST) {
            return apt.install(&DEBIAN_PACKAGES, "a Rust toolchain with library source");
        }
    }
    Err(by_rustup).with_context(|| {
        format!(
            "there is no package of a Rust toolchain {} or newer with library source here\n  \
             where there is a network: rustup toolchain install {PINNED} --profile minimal --component rust-src,clippy",
            rust::OLDEST,
        )
    })
}

/// Installs clippy for Debian's compiler, unless it is installed. Other toolchains include theirs.
///
/// # Errors
/// When apt fails.
pub(super) fn install_clippy(apt: &Apt<'_>, toolchain: &Toolchain) -> Result<()> {
    if toolchain.name != rust::DISTRIBUTION_NAME || toolchain.has_clippy() {
        return Ok(());
    }
    apt.install(&[DEBIAN_CLIPPY], "clippy for the kernel programs")
}

/// Fetches the pinned release into a rustup directory of the project's own.
fn install_by_rustup(workspace: &Workspace) -> Result<()> {
    let home = rust::own_rustup_home(workspace.root());
    note(&format!(
        "set-up: installing Rust {PINNED} with library source by rustup, in {} (700 MB)",
        home.display()
    ));
    let mut install = Command::new("rustup");
    // Without settings in its directory, rustup would update itself.
    install
        .args(["toolchain", "install", PINNED, "--no-self-update"])
        .args(["--profile", "minimal"])
        .args(["--component", "rust-src", "--component", "clippy"])
        .env("RUSTUP_HOME", home);
    let log = workspace.log("rustup");
    progress::run(
        "installing Rust with library source",
        &log,
        LIMIT,
        &mut install,
    )
}
