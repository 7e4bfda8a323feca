//! The programs that lay out a lab: `ip`, `bridge`, and those that load kube-proxy's rules.
//!
//! In: a network namespace, and text for a program. They run in the lab's cgroup `tools`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::availability::find_program;
use crate::command::Command;
use crate::kube_proxy::{Family, ProxyMode};
use crate::names;
use crate::netns;
use crate::resources::Resources;
use crate::sandbox::Sandbox;
use crate::sysctl;

/// `ip` takes milliseconds, and to load thousands of services takes a few seconds; a machine that
/// is busy compiling needs more.
const DEADLINE: Duration = Duration::from_secs(30);
/// The namespace of the lab's owner.
const OWN_NETNS: &str = "/proc/self/ns/net";

/// Makes a cgroup, and a named network namespace in which every device has IPv6.
pub(crate) fn create_sandbox(
    resources: &Arc<Resources>,
    name: &str,
    cgroup: PathBuf,
) -> Result<Sandbox> {
    resources.create_cgroup(&cgroup)?;
    let netns = create_netns(resources, name)?;
    netns::within(&netns, sysctl::enable_ipv6)??;
    Ok(Sandbox {
        resources: Arc::clone(resources),
        name: name.to_owned(),
        cgroup,
        netns,
    })
}

/// Makes a named network namespace and returns its path.
pub(crate) fn create_netns(resources: &Arc<Resources>, name: &str) -> Result<PathBuf> {
    let name = format!("{}{name}", names::netns_prefix(&resources.id));
    tool(resources, Path::new(OWN_NETNS), "ip")?
        .args(["netns", "add", &name])
        .run(DEADLINE)?;
    Ok(names::netns_path(&name))
}

/// Runs lines of `ip -batch` in a namespace.
pub(crate) fn ip(resources: &Arc<Resources>, netns: &Path, lines: &str) -> Result<()> {
    run(resources, netns, "ip", &["-batch", "-"], lines)
}

/// Runs lines of `bridge -batch` in a namespace.
pub(crate) fn bridge(resources: &Arc<Resources>, netns: &Path, lines: &str) -> Result<()> {
    run(resources, netns, "bridge", &["-batch", "-"], lines)
}

/// Replaces the namespace's rules of one family by those of a proxy mode: iptables table by table,
/// each atomically, nftables all at once.
pub(crate) fn replace_rules(
    resources: &Arc<Resources>,
    netns: &Path,
    (mode, family): (ProxyMode, Family),
    rules: &str,
) -> Result<()> {
    let (program, arguments): (_, &[&str]) = match (mode, family) {
        (ProxyMode::Iptables, Family::V4) => ("iptables-restore", &[]),
        (ProxyMode::Iptables, Family::V6) => ("ip6tables-restore", &[]),
        (ProxyMode::IptablesLegacy, Family::V4) => ("iptables-legacy-restore", &[]),
        (ProxyMode::IptablesLegacy, Family::V6) => ("ip6tables-legacy-restore", &[]),
        (ProxyMode::Nftables, _) => ("nft", &["-f", "-"]),
    };
    run(resources, netns, program, arguments, rules)
}

fn run(
    resources: &Arc<Resources>,
    netns: &Path,
    program: &str,
    arguments: &[&str],
    input: &str,
) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    let command = tool(resources, netns, program)?.args(arguments);
    command.stdin_text(input)?.run(DEADLINE)?;
    Ok(())
}

fn tool(resources: &Arc<Resources>, netns: &Path, program: &str) -> Result<Command> {
    let path = find_program(program).with_context(|| format!("{program} is not on PATH"))?;
    let sandbox = Sandbox {
        resources: Arc::clone(resources),
        name: "lab".to_owned(),
        cgroup: resources.cgroup.join("tools"),
        netns: netns.to_path_buf(),
    };
    Ok(Command::new(&sandbox, path))
}
