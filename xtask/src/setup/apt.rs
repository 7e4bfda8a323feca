//! Debian's packages. In: package names. Out: whether apt has them, and an installation that says
//! what it does first. Knows nothing of what the packages are for.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use ebpf_toolchain::version::Version;

use crate::progress::{self, note};
use crate::sudo::Privilege;
use crate::workspace::Workspace;

/// LLVM's development packages are half a gigabyte: slow mirrors get their time.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// The package manager, run as root.
#[derive(Debug)]
pub(crate) struct Apt<'a> {
    /// Where its output goes.
    pub(crate) workspace: &'a Workspace,
    /// How it becomes root.
    pub(crate) privilege: &'a Privilege,
}

impl Apt<'_> {
    /// Fetches the package lists, which a fresh machine does not have.
    ///
    /// # Errors
    /// When root is not to be had or apt fails; the message has what apt said.
    pub(crate) fn update(&self) -> Result<()> {
        let log = self.workspace.log("apt-update");
        progress::run(
            "fetching apt's package lists",
            &log,
            LIMIT,
            &mut self.apt_get(&["update"])?,
        )
    }

    /// Installs packages, after saying which and what for.
    ///
    /// # Errors
    /// When root is not to be had or apt fails; the message has what apt said.
    pub(crate) fn install(&self, packages: &[String], purpose: &str) -> Result<()> {
        let names = packages.join(" ");
        note(&format!("set-up: installing {purpose} with apt: {names}"));
        let mut command = self.apt_get(&["install", "--yes", "--no-install-recommends"])?;
        command.args(packages);
        progress::run(
            &format!("installing {purpose}"),
            &self.workspace.log("apt-install"),
            LIMIT,
            &mut command,
        )
        .with_context(|| format!("install {names}"))
    }

    /// apt-get that asks nothing.
    fn apt_get(&self, args: &[&str]) -> Result<Command> {
        // Through env, because sudo does not pass variables on.
        let mut command = self.privilege.command("env")?;
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"])
            .args(args);
        Ok(command)
    }
}

/// The version that apt would install, by its package lists.
pub(crate) fn candidate(package: &str) -> Option<Version> {
    let mut policy = Command::new("apt-cache");
    policy
        .args(["policy", package])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    parse_candidate(&String::from_utf8_lossy(&policy.output().ok()?.stdout))
}

/// Whether the package is installed, by dpkg's records.
pub(crate) fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    query
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// Reads `apt-cache policy`. Of `1:22.1.8-1~deb12u1` the epoch and Debian's revision do not count.
fn parse_candidate(policy: &str) -> Option<Version> {
    let candidate = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    let upstream = candidate
        .split_once(':')
        .map_or(candidate, |(_epoch, version)| version);
    Version::parse(upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_as_apt_names_them() {
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
    fn apt_asks_nothing_also_through_sudo() {
        let workspace = Workspace::at("/nowhere".as_ref());
        let apt = Apt {
            workspace: &workspace,
            privilege: &Privilege::Sudo,
        };
        let command = apt.apt_get(&["update"]).unwrap();
        let args: Vec<_> = command.get_args().collect();
        assert_eq!(
            args,
            [
                "--",
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "--quiet",
                "update"
            ]
        );
    }
}
