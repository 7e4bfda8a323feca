//! Installs a Rust toolchain with library source: by rustup into the project's own directory, else
//! from Debian's packages. In: what this machine has. Out: a toolchain that `ebpf_toolchain` finds.
//! The user's own rustup is never changed.

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use ebpf_toolchain::rust::{self, Toolchain};

use super::Setup;
use super::apt;
use super::network::is_reachable;
use crate::progress::{self, note};

/// What rustup fetches: a release with LLVM 22, for which there are linkers. A nightly would change
/// under us.
const PINNED: &str = "1.96.0";

/// 200 MB and the time to unpack them.
const LIMIT: Duration = Duration::from_secs(10 * 60);

const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", DEBIAN_CLIPPY];
const DEBIAN_CLIPPY: &str = "rust-web-clippy";

/// Installs a toolchain.
///
/// # Errors
/// When neither rustup nor apt can, with what to do by hand.
pub(super) fn install(setup: &Setup<'_>) -> Result<()> {
    match by_rustup(setup) {
        Ok(()) => return Ok(()),
        Err(reason) => note(&format!(
            "set-up: rustup cannot fetch a toolchain: {reason:#}"
        )),
    }
    if setup.distribution.is_debian_like() {
        setup.apt().update()?;
        let candidate = apt::candidate(DEBIAN_PACKAGES[0]);
        if candidate.is_some_and(|candidate| candidate >= rust::OLDEST) {
            let packages: Vec<String> = DEBIAN_PACKAGES.map(str::to_owned).to_vec();
            return setup
                .apt()
                .install(&packages, "a Rust toolchain with library source");
        }
    }
    bail!(
        "{} has no Rust toolchain {} or newer with library source in its packages\n  \
         where there is a network: rustup toolchain install {PINNED} --profile minimal --component rust-src,clippy",
        setup.distribution.name,
        rust::OLDEST,
    )
}

/// Installs clippy for the distribution's compiler, unless it is there. Other toolchains bring
/// their own.
///
/// # Errors
/// When apt fails.
pub(super) fn install_clippy(setup: &Setup<'_>, toolchain: &Toolchain) -> Result<()> {
    if toolchain.name != rust::DISTRIBUTION_NAME || toolchain.has_clippy() {
        return Ok(());
    }
    setup.apt().update()?;
    setup.apt().install(
        &[DEBIAN_CLIPPY.to_owned()],
        "clippy for the kernel programs",
    )
}

/// Fetches the pinned release into the project's own rustup directory.
fn by_rustup(setup: &Setup<'_>) -> Result<()> {
    let server = env::var("RUSTUP_DIST_SERVER")
        .unwrap_or_else(|_| "https://static.rust-lang.org".to_owned());
    if !is_reachable(&server) {
        bail!("{server} does not answer");
    }
    let home = rust::own_rustup_home(setup.workspace.root());
    note(&format!(
        "set-up: installing Rust {PINNED} with library source by rustup, in {} (700 MB)",
        home.display()
    ));
    let mut install = Command::new("rustup");
    // A rustup directory without settings would let rustup replace itself.
    install
        .args([
            "toolchain",
            "install",
            PINNED,
            "--no-self-update",
            "--profile",
            "minimal",
        ])
        .args(["--component", "rust-src", "--component", "clippy"])
        .env("RUSTUP_HOME", home);
    progress::run(
        "installing Rust with library source",
        &setup.workspace.log("rustup"),
        LIMIT,
        &mut install,
    )
}
