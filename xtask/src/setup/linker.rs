//! Installs bpf-linker into the project's own tools, built from crates.io against an LLVM of the
//! machine's. In: the LLVM of the compiler. Out: a linker that `ebpf_toolchain` finds.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ebpf_toolchain::version::Version;

use super::Setup;
use super::apt;
use crate::progress::{self, note};

/// The release that is installed.
const PINNED: &str = "0.13.0";

/// The LLVM releases that it builds with (its cargo features).
const LLVM: std::ops::RangeInclusive<u32> = 21..=23;

/// The newest LLVM a compiler may have for [`install`] to find it a linker.
pub(super) const NEWEST_LLVM: u32 = *LLVM.end();

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Builds a linker that reads what a compiler with LLVM `compiler` writes, against an LLVM of the
/// machine's.
///
/// # Errors
/// When there is no LLVM to build with, with what to do by hand.
pub(super) fn install(setup: &Setup<'_>, compiler: Version) -> Result<()> {
    let Some(llvm) = Llvm::get(setup, compiler)? else {
        bail!(
            "no LLVM {} or newer to build bpf-linker {PINNED} with on {}\n  \
             install its development files and set LLVM_PREFIX to where they are,\n  \
             or put a bpf-linker with that LLVM on the PATH",
            compiler.major,
            setup.distribution.name,
        );
    };
    let tools = setup.workspace.tools();
    note(&format!(
        "set-up: building bpf-linker {PINNED} with LLVM {} by cargo, in {}",
        llvm.major,
        tools.display()
    ));
    let mut install = setup.workspace.cargo([
        "install",
        "bpf-linker",
        "--version",
        PINNED,
        "--locked",
        "--force",
    ]);
    install
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{}", llvm.major),
            "--root",
        ])
        .arg(&tools)
        .env("LLVM_PREFIX", llvm.prefix);
    progress::run(
        "building bpf-linker",
        &setup.workspace.log("bpf-linker-build"),
        BUILD_LIMIT,
        &mut install,
    )
}

/// An LLVM with its headers.
struct Llvm {
    major: u32,
    prefix: PathBuf,
}

impl Llvm {
    /// The one that LLVM_PREFIX names, else one from Debian's packages; `None` when there is none
    /// that is new enough.
    fn get(setup: &Setup<'_>, compiler: Version) -> Result<Option<Self>> {
        if let Some(prefix) = env::var_os("LLVM_PREFIX").map(PathBuf::from) {
            let major = Self::major_at(&prefix)?;
            if !LLVM.contains(&major) || major < compiler.major {
                bail!(
                    "LLVM_PREFIX has LLVM {major}\n  bpf-linker {PINNED} needs {} to {NEWEST_LLVM} here",
                    oldest(compiler)
                );
            }
            return Ok(Some(Self { major, prefix }));
        }
        if setup.distribution.is_debian_like() {
            Self::from_packages(setup, compiler)
        } else {
            Ok(None)
        }
    }

    /// Asks llvm-config(1) at `prefix`.
    fn major_at(prefix: &Path) -> Result<u32> {
        let program = prefix.join("bin/llvm-config");
        let output = Command::new(&program).arg("--version").output();
        let output = output
            .with_context(|| format!("run {}, which LLVM_PREFIX points to", program.display()))?;
        let version = Version::parse(&String::from_utf8_lossy(&output.stdout));
        Ok(version
            .with_context(|| format!("{} --version prints no version", program.display()))?
            .major)
    }

    /// Installs what is missing of the oldest LLVM that is new enough.
    fn from_packages(setup: &Setup<'_>, compiler: Version) -> Result<Option<Self>> {
        let available = || {
            (oldest(compiler)..=NEWEST_LLVM)
                .find(|llvm| apt::candidate(&format!("llvm-{llvm}-dev")).is_some())
        };
        let mut major = available();
        if major.is_none() {
            setup.apt().update()?;
            major = available();
        }
        let Some(major) = major else {
            return Ok(None);
        };
        let missing: Vec<String> = packages(major)
            .into_iter()
            .filter(|package| !apt::is_installed(package))
            .collect();
        if !missing.is_empty() {
            setup.apt().update()?;
            setup.apt().install(&missing, "LLVM's development files")?;
        }
        Ok(Some(Self {
            major,
            prefix: format!("/usr/lib/llvm-{major}").into(),
        }))
    }
}

/// The oldest LLVM that serves this compiler.
fn oldest(compiler: Version) -> u32 {
    compiler.major.max(*LLVM.start())
}

/// What bpf-linker is linked with: LLVM, the libraries LLVM's own configuration names, and the C++
/// library.
fn packages(llvm: u32) -> Vec<String> {
    let own = [format!("llvm-{llvm}-dev"), format!("libpolly-{llvm}-dev")];
    own.into_iter()
        .chain(["libzstd-dev", "zlib1g-dev", "g++"].map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_llvm_that_serves() {
        assert_eq!(oldest(Version::new(20, 1, 5)), 21);
        assert_eq!(oldest(Version::new(22, 1, 2)), 22);
    }

    #[test]
    fn packages_of_one_llvm() {
        assert_eq!(
            packages(22),
            [
                "llvm-22-dev",
                "libpolly-22-dev",
                "libzstd-dev",
                "zlib1g-dev",
                "g++"
            ]
        );
    }
}
