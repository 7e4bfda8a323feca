//! Whether a lab can run on this machine, checked before anything is changed.
//!
//! In: this process's capabilities, the mount table, PATH. Out: nothing, or an [`Unavailable`] that
//! names the remedy.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{AccessFlags, access};
use thiserror::Error;

use crate::cgroup;
use crate::kube_proxy::ProxyMode;
use crate::netns::within_new_netns;

/// Why a lab cannot run on this machine; the message names the remedy.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// Namespaces, veths and rules need these capabilities, see capabilities(7).
    #[error("no {capability}: run as root, for example with sudo")]
    Capability {
        /// The first capability that is missing, in capabilities(7) spelling.
        capability: &'static str,
    },
    /// Each pod has a cgroup in the v2 hierarchy.
    #[error(
        "no cgroup v2 is mounted: boot with systemd.unified_cgroup_hierarchy=1, or mount it with \
         `mkdir /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified`"
    )]
    NoCgroup2,
    /// Typical of a container that has its cgroups mounted read-only.
    #[error("cgroup v2 at {} cannot be written: in a container, start it privileged with --cgroupns=host", mount.display())]
    Cgroup2ReadOnly {
        /// Where it is mounted.
        mount: PathBuf,
    },
    /// A program that lays out nodes.
    #[error(
        "{program} is not on PATH: install {package}, for example with `apt-get install {package}`"
    )]
    NoProgram {
        /// The program's name.
        program: &'static str,
        /// Its package in Debian and Ubuntu.
        package: &'static str,
    },
    /// Without br_netfilter, frames that a bridge forwards do not pass kube-proxy's rules.
    #[error("br_netfilter is not loaded: run `modprobe br_netfilter`, as a Kubernetes node does")]
    NoBridgeNetfilter,
    /// The legacy back end of iptables needs modules that newer kernels may be built without.
    #[error(
        "{program} does not work: {reason}; load ip_tables and its tables, or boot a kernel that has them"
    )]
    NoLegacyTables {
        /// The program's name.
        program: &'static str,
        /// The first line of its error.
        reason: String,
    },
    /// Pods have addresses of both families.
    #[error("the kernel has no IPv6: boot without ipv6.disable=1")]
    NoIpv6,
}

/// The programs that lay out nodes, except those of the legacy iptables back end, which
/// [`can_proxy`] checks.
const PROGRAMS: [(&str, &str); 5] = [
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("iptables-restore", "iptables"),
    ("ip6tables-restore", "iptables"),
    ("nft", "nftables"),
];

/// Checks whether a lab can be made on this machine. Changes nothing.
///
/// # Errors
/// The first thing that is missing.
pub fn can_run() -> Result<(), Unavailable> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(capability) = missing_capability(&status) {
        return Err(Unavailable::Capability { capability });
    }
    let mount = cgroup::mount_point().ok_or(Unavailable::NoCgroup2)?;
    if access(&mount, AccessFlags::W_OK).is_err() {
        return Err(Unavailable::Cgroup2ReadOnly { mount });
    }
    for (program, package) in PROGRAMS {
        if find_program(program).is_none() {
            return Err(Unavailable::NoProgram { program, package });
        }
    }
    // The entry exists in every network namespace once the module is loaded (kernel:
    // br_netfilter_sysctl_init_net, since 5.3).
    if !Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists() {
        return Err(Unavailable::NoBridgeNetfilter);
    }
    if !Path::new("/proc/sys/net/ipv6").exists() {
        return Err(Unavailable::NoIpv6);
    }
    Ok(())
}

/// Checks whether a node can have kube-proxy in this mode. The legacy back end is tried in a
/// network namespace that is removed afterwards; the others need no more than a lab.
///
/// # Errors
/// As [`can_run`], and when the mode's tool is missing or does not work.
pub fn can_proxy(mode: ProxyMode) -> Result<(), Unavailable> {
    can_run()?;
    if mode != ProxyMode::IptablesLegacy {
        return Ok(());
    }
    for (program, list) in [
        ("iptables-legacy-restore", "iptables-legacy"),
        ("ip6tables-legacy-restore", "ip6tables-legacy"),
    ] {
        let package = "iptables";
        let path = find_program(list).filter(|_| find_program(program).is_some());
        let path = path.ok_or(Unavailable::NoProgram { program, package })?;
        let list = || Command::new(path).args(["-t", "mangle", "-S"]).output();
        let reason = match within_new_netns(list).map(Result::ok) {
            Ok(Some(output)) if output.status.success() => continue,
            Ok(Some(output)) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Ok(None) => "it cannot be executed".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        return Err(Unavailable::NoLegacyTables { program, reason });
    }
    Ok(())
}

/// For tests: true when no lab can run on this machine, after printing `SKIP <test>: <reason>` on a
/// line of its own.
///
/// It writes to standard output past the test harness's capture, so that a run can count the tests
/// it skipped.
pub fn skip(test: &str) -> bool {
    skip_unless(test, can_run())
}

/// The same, for a test that needs kube-proxy in this mode.
pub fn skip_mode(test: &str, mode: ProxyMode) -> bool {
    skip_unless(test, can_proxy(mode))
}

/// The same, for a test that needs further programs, given with their packages in Debian and
/// Ubuntu.
pub fn skip_without(test: &str, programs: &[(&'static str, &'static str)]) -> bool {
    let missing = programs
        .iter()
        .find(|(program, _)| find_program(program).is_none());
    let available = can_run().and(match missing {
        Some(&(program, package)) => Err(Unavailable::NoProgram { program, package }),
        None => Ok(()),
    });
    skip_unless(test, available)
}

fn skip_unless(test: &str, available: Result<(), Unavailable>) -> bool {
    let Err(reason) = available else { return false };
    print_skip(test, &reason.to_string());
    true
}

/// Prints that line only, for tests that find later that they cannot go on.
pub fn print_skip(test: &str, reason: &str) {
    // The harness may be in the middle of a line. A closed standard output is no reason to fail the
    // test.
    let _ = writeln!(io::stdout(), "\nSKIP {test}: {reason}");
}

/// Finds a program on PATH, or where administrators' programs are when PATH is an ordinary user's.
pub fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| access(candidate, AccessFlags::X_OK).is_ok())
}

/// Reads the effective set of a /proc/<pid>/status; an unreadable set counts as empty.
fn missing_capability(status: &str) -> Option<&'static str> {
    /// Numbers from include/uapi/linux/capability.h.
    const NEEDED: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")];
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    NEEDED
        .into_iter()
        .find(|(bit, _)| effective & (1 << bit) == 0)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_capability_is_named() {
        let cases = [
            ("CapEff:\t000001ffffffffff\n", None),
            ("CapEff:\t0000000000201000\n", None),
            ("CapEff:\t0000000000001000\n", Some("CAP_SYS_ADMIN")),
            (
                "Name:\tcat\nCapEff:\t0000000000000000\n",
                Some("CAP_NET_ADMIN"),
            ),
            ("", Some("CAP_NET_ADMIN")),
        ];
        for (status, expected) in cases {
            assert_eq!(missing_capability(status), expected, "{status:?}");
        }
    }

    #[test]
    fn a_program_is_found_by_name_only_where_it_is() {
        assert!(find_program("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find_program("no-program-has-this-name"), None);
    }

    #[test]
    fn every_refusal_names_a_remedy() {
        let refusals = [
            (
                Unavailable::Capability {
                    capability: "CAP_NET_ADMIN",
                },
                "sudo",
            ),
            (Unavailable::NoCgroup2, "mount -t cgroup2"),
            (
                Unavailable::Cgroup2ReadOnly {
                    mount: "/sys/fs/cgroup".into(),
                },
                "privileged",
            ),
            (
                Unavailable::NoProgram {
                    program: "ip",
                    package: "iproute2",
                },
                "apt-get install iproute2",
            ),
            (Unavailable::NoBridgeNetfilter, "modprobe br_netfilter"),
            (Unavailable::NoIpv6, "ipv6.disable"),
            (
                Unavailable::NoLegacyTables {
                    program: "iptables-legacy-restore",
                    reason: "unable to initialize table".into(),
                },
                "load ip_tables",
            ),
        ];
        for (refusal, remedy) in refusals {
            assert!(refusal.to_string().contains(remedy), "{refusal}");
        }
    }
}
