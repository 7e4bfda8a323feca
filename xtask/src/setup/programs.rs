//! What the lab uses of the machine: programs, and the kernel module that shows bridged packets to
//! netfilter. In: PATH and /proc. Out: both are there. Knows nothing of toolchains.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Setup;
use crate::progress::{self, note};
use crate::workspace::has_program;

/// The lab's programs, with Debian's package of each.
const PROGRAMS: [(&str, &str); 5] = [
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("iptables-restore", "iptables"),
    ("ip6tables-restore", "iptables"),
    ("nft", "nftables"),
];

/// Exists while br_netfilter is loaded or built in.
const BRIDGE_NETFILTER: &str = "/proc/sys/net/bridge";

/// Installs the programs that are not there.
///
/// # Errors
/// When apt fails, or which programs to install by hand where there is no apt.
pub(super) fn install_missing(setup: &Setup<'_>) -> Result<()> {
    let packages = missing_packages(has_program);
    if packages.is_empty() {
        return Ok(());
    }
    if !setup.distribution.is_debian_like() {
        bail!(
            "the lab needs the programs of {} (Debian's names), and set-up knows no package manager of {}\n  \
             install them by hand and run this again",
            packages.join(" and "),
            setup.distribution.name,
        );
    }
    setup.apt().update()?;
    setup.apt().install(&packages, "the lab's programs")
}

/// The packages of the programs that `is_there` denies, each once.
fn missing_packages(is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let mut packages: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| (*package).to_owned())
        .collect();
    packages.dedup();
    packages
}

/// Loads br_netfilter, as every Kubernetes node does, unless it is there.
///
/// Loading it makes the machine's own bridges show their packets to netfilter too, which they did
/// not before, so that is switched off again for the machine's own network namespace. The lab's
/// namespaces have their own switches.
///
/// # Errors
/// When the module cannot be loaded; the message has what modprobe said.
pub(super) fn load_bridge_netfilter(setup: &Setup<'_>) -> Result<()> {
    if Path::new(BRIDGE_NETFILTER).is_dir() {
        return Ok(());
    }
    note(
        "set-up: loading the kernel module br_netfilter (switched off for the machine's own bridges)",
    );
    let script = format!(
        "PATH=$PATH:/usr/sbin:/sbin modprobe br_netfilter && \
         for switch in {BRIDGE_NETFILTER}/bridge-nf-call-*; do echo 0 > $switch; done"
    );
    let mut command = setup.privilege.command("sh")?;
    command.args(["-c", &script]);
    progress::run(
        "loading br_netfilter",
        &setup.workspace.log("modprobe"),
        Duration::from_secs(30),
        &mut command,
    )
    .context(
        "load br_netfilter: boot a kernel built with CONFIG_BRIDGE_NETFILTER, as stock kernels are",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        assert_eq!(missing_packages(|_| true), Vec::<String>::new());
        assert_eq!(
            missing_packages(|program| program == "ip"),
            ["iptables", "nftables"]
        );
        assert_eq!(
            missing_packages(|_| false),
            ["iproute2", "iptables", "nftables"]
        );
    }
}
