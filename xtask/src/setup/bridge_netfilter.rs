//! The kernel module that shows bridged packets to netfilter. In: /proc. Out: br_netfilter is
//! loaded, and switched off for the machine's own bridges.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::progress::{self, note};
use crate::sudo::Privilege;
use crate::workspace::Workspace;

/// Exists while br_netfilter is loaded or built in.
const SWITCHES: &str = "/proc/sys/net/bridge";

/// Loads br_netfilter, as every Kubernetes node does, unless it is loaded.
///
/// Loading it would show the packets of the machine's own bridges to netfilter as well, so it is
/// switched off again in the machine's own network namespace. The lab's namespaces have switches of
/// their own.
///
/// # Errors
/// When the module cannot be loaded; the message has the output of modprobe(8).
pub(super) fn load(workspace: &Workspace, privilege: &Privilege) -> Result<()> {
    if Path::new(SWITCHES).is_dir() {
        return Ok(());
    }
    note(
        "set-up: loading the kernel module br_netfilter (switched off for the machine's own bridges)",
    );
    let script = format!(
        "PATH=$PATH:/usr/sbin:/sbin modprobe br_netfilter && \
         for switch in {SWITCHES}/bridge-nf-call-*; do echo 0 > $switch; done"
    );
    let mut load = privilege.command("sh")?;
    load.args(["-c", &script]);
    let limit = Duration::from_secs(30);
    progress::run(
        "loading br_netfilter",
        &workspace.log("modprobe"),
        limit,
        &mut load,
    )
    .context(
        "load br_netfilter: boot a kernel built with CONFIG_BRIDGE_NETFILTER, as stock kernels are",
    )
}
