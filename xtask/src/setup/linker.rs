//! bpf-linker, built from crates.io into target/tools against this machine's LLVM. In: the LLVM of
//! the compiler. Out: a linker that `ebpf_toolchain` finds.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ebpf_toolchain::version::Version;

use super::apt::{self, Apt};
use crate::progress::{self, note};
use crate::workspace::Workspace;

/// The release that is installed.
const PINNED: &str = "0.13.0";

/// The LLVM releases that it builds with (its cargo features).
const LLVM: std::ops::RangeInclusive<u32> = 21..=23;

/// The newest LLVM of a compiler for which [`install`] can build a linker.
pub(super) const NEWEST_LLVM: u32 = *LLVM.end();

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// An LLVM with its headers.
struct Llvm {
    major: u32,
    prefix: PathBuf,
}

/// Builds a linker that reads the bitcode of a compiler with this LLVM.
///
/// # Errors
/// When there is no LLVM to build with, with what to do by hand, and when cargo fails.
pub(super) fn install(workspace: &Workspace, apt: &Apt<'_>, compiler: Version) -> Result<()> {
    let Some(llvm) = Llvm::find(apt, compiler)? else {
        bail!(
            "no LLVM {} or newer to build bpf-linker {PINNED} with\n  \
             install its development files and set LLVM_PREFIX to where they are,\n  \
             or put a bpf-linker with that LLVM on the PATH",
            compiler.major,
        );
    };
    let tools = workspace.tools();
    note(&format!(
        "set-up: building bpf-linker {PINNED} with LLVM {} by cargo, in {}",
        llvm.major,
        tools.display()
    ));
    let mut install = workspace.cargo(["install", "bpf-linker", "--locked", "--force"]);
    install
        .args(["--version", PINNED, "--no-default-features", "--features"])
        .arg(format!("llvm-{}", llvm.major))
        .arg("--root")
        .arg(&tools)
        .env("LLVM_PREFIX", llvm.prefix);
    let log = workspace.log("bpf-linker-build");
    progress::run("building bpf-linker", &log, BUILD_LIMIT, &mut install)
}

impl Llvm {
    /// The one at LLVM_PREFIX, else one of Debian's packages; `None` when there is none that is new
    /// enough.
    fn find(apt: &Apt<'_>, compiler: Version) -> Result<Option<Self>> {
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
        if Apt::is_here() {
            Self::from_packages(apt, compiler)
        } else {
            Ok(None)
        }
    }

    /// As llvm-config(1) at `prefix` prints it.
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
    fn from_packages(apt: &Apt<'_>, compiler: Version) -> Result<Option<Self>> {
        let available = || {
            (oldest(compiler)..=NEWEST_LLVM)
                .find(|llvm| apt::candidate(&format!("llvm-{llvm}-dev")).is_some())
        };
        let mut major = available();
        if major.is_none() {
            apt.update()?;
            major = available();
        }
        let Some(major) = major else {
            return Ok(None);
        };
        let packages = packages(major);
        let missing: Vec<&str> = packages
            .iter()
            .map(String::as_str)
            .filter(|package| !apt::is_installed(package))
            .collect();
        if !missing.is_empty() {
            apt.install(&missing, "LLVM's development files")?;
        }
        let prefix = format!("/usr/lib/llvm-{major}").into();
        Ok(Some(Self { major, prefix }))
    }
}

/// The oldest LLVM that serves this compiler.
fn oldest(compiler: Version) -> u32 {
    compiler.major.max(*LLVM.start())
}

/// What bpf-linker is linked with: LLVM, the libraries in the output of llvm-config(1), and the C++
/// library.
fn packages(llvm: u32) -> [String; 5] {
    [
        format!("llvm-{llvm}-dev"),
        format!("libpolly-{llvm}-dev"),
        "libzstd-dev".to_owned(),
        "zlib1g-dev".to_owned(),
        "g++".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_llvm_that_serves() {
        assert_eq!(oldest(Version::new(20, 1, 5)), 21);
        assert_eq!(oldest(Version::new(22, 1, 2)), 22);
    }
}
