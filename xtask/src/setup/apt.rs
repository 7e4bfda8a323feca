//! Debian's packages. In: programs, or names of packages. Out: packages installed, with none of
//! their services started or enabled. Each installation is announced before it begins.

use std::cell::Cell;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ebpf_toolchain::version::Version;

use crate::progress::{self, note};
use crate::sudo::Privilege;
use crate::workspace::{Workspace, has_program};

/// LLVM's development packages are half a gigabyte, and mirrors can be slow.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Installs the packages that are its arguments. A policy keeps their services from starting
/// (invoke-rc.d(8)), and services that are new afterwards are disabled, so that they do not start
/// with the machine either.
const INSTALL: &str = r#"
set -eu
policy=/usr/sbin/policy-rc.d
kept=$(mktemp -d)
restore() {
    rm -f "$policy"
    if [ -e "$kept/policy" ]; then mv "$kept/policy" "$policy"; fi
    rm -rf "$kept"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
mkdir "$kept/services"
for service in /etc/init.d/*; do touch "$kept/services/${service##*/}"; done
if [ -e "$policy" ]; then mv "$policy" "$kept/policy"; fi
printf '#!/bin/sh\nexit 101\n' > "$policy"
chmod 755 "$policy"
DEBIAN_FRONTEND=noninteractive apt-get --quiet install --yes --no-install-recommends "$@"
for service in /etc/init.d/*; do
    name=${service##*/}
    if [ -x "$service" ] && [ ! -e "$kept/services/$name" ]; then update-rc.d "$name" disable; fi
done
"#;

/// A program on PATH, and Debian's package of it.
pub(crate) type Program = (&'static str, &'static str);

/// The package manager, run as root.
#[derive(Debug)]
pub(crate) struct Apt<'a> {
    workspace: &'a Workspace,
    privilege: &'a Privilege,
    has_fresh_lists: Cell<bool>,
}

impl<'a> Apt<'a> {
    /// apt-get, run with `privilege`. Its output goes to the workspace's logs.
    pub(crate) fn new(workspace: &'a Workspace, privilege: &'a Privilege) -> Self {
        Self {
            workspace,
            privilege,
            has_fresh_lists: Cell::new(false),
        }
    }

    /// Whether this machine has apt.
    pub(crate) fn is_here() -> bool {
        has_program("apt-get")
    }

    /// Installs the packages of the programs that are not on PATH.
    ///
    /// # Errors
    /// As [`Self::install`].
    pub(crate) fn install_programs(&self, programs: &[Program], purpose: &str) -> Result<()> {
        let packages = missing_packages(programs, has_program);
        if packages.is_empty() {
            return Ok(());
        }
        self.install(&packages, purpose)
    }

    /// Installs packages, with fresh package lists.
    ///
    /// # Errors
    /// Without apt or root, and when apt fails; the message has the end of apt's output.
    pub(crate) fn install(&self, packages: &[&str], purpose: &str) -> Result<()> {
        let names = packages.join(" ");
        if !Self::is_here() {
            bail!(
                "{purpose} cannot be installed without apt\n  \
                 install what Debian has in these packages, and run this again: {names}"
            );
        }
        self.update()?;
        note(&format!("set-up: installing {purpose} with apt: {names}"));
        let mut install = self.privilege.command("sh")?;
        install.args(["-c", INSTALL, "sh"]).args(packages);
        let what = format!("installing {purpose}");
        progress::run(
            &what,
            &self.workspace.log("apt-install"),
            LIMIT,
            &mut install,
        )
        .with_context(|| format!("install {names}"))
    }

    /// Fetches the package lists, once: a fresh machine has none, and old ones name packages that
    /// mirrors no longer have.
    ///
    /// # Errors
    /// Without root, and when apt fails; the message has the end of apt's output.
    pub(crate) fn update(&self) -> Result<()> {
        if self.has_fresh_lists.get() {
            return Ok(());
        }
        let mut update = self.privilege.command("apt-get")?;
        update.args(["--quiet", "update"]);
        let log = self.workspace.log("apt-update");
        progress::run("fetching apt's package lists", &log, LIMIT, &mut update)?;
        self.has_fresh_lists.set(true);
        Ok(())
    }
}

/// The version that apt would install, by its package lists.
pub(crate) fn candidate(package: &str) -> Option<Version> {
    let mut policy = Command::new("apt-cache");
    policy.args(["policy", package]).env("LC_ALL", "C");
    let output = policy
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    parse_candidate(&String::from_utf8_lossy(&output.stdout))
}

/// Whether the package is installed, by dpkg's records.
pub(crate) fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    let output = query.stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout == b"installed")
}

/// The packages of the programs for which `is_there` is false, each once.
fn missing_packages(programs: &[Program], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let missing = programs.iter().filter(|(program, _)| !is_there(program));
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

/// Reads `apt-cache policy`. Of `1:22.1.8-1~deb12u1` the epoch and Debian's revision do not count.
fn parse_candidate(policy: &str) -> Option<Version> {
    let mut lines = policy.lines();
    let candidate = lines.find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    let upstream = candidate
        .split_once(':')
        .map_or(candidate, |(_, rest)| rest);
    Version::parse(upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_in_the_output_of_apt_cache() {
        let cases = [
            (
                "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n",
                Some(Version::new(1, 96, 0)),
            ),
            (
                "llvm-22-dev:\n  Candidate: 1:22.1.8-1~deb12u1\n",
                Some(Version::new(22, 1, 8)),
            ),
            (
                "llvm-99-dev:\n  Installed: (none)\n  Candidate: (none)\n",
                None,
            ),
            ("", None),
        ];
        for (policy, expected) in cases {
            assert_eq!(parse_candidate(policy), expected, "{policy}");
        }
    }

    #[test]
    fn only_missing_programs_are_installed_and_each_package_once() {
        let programs = [
            ("ip", "iproute2"),
            ("h2load", "nghttp2"),
            ("nghttp", "nghttp2"),
        ];
        let missing = |there: &[&str]| missing_packages(&programs, |name| there.contains(&name));
        assert!(missing(&["ip", "h2load", "nghttp"]).is_empty());
        assert_eq!(missing(&["ip", "nghttp"]), ["nghttp2"]);
        assert_eq!(missing(&[]), ["iproute2", "nghttp2"]);
    }
}
