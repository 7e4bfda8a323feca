//! The processes of a cgroup: their start, network namespace and addresses.
//!
//! In: the directory of a cgroup. Out: network namespace, addresses, and the start of the oldest
//! process. Needs the node's /proc (hostPID), and finds nothing without. Reading the namespaces of
//! processes that are not root's takes CAP_SYS_PTRACE (kernel: proc_ns_get_link); without it the
//! addresses are found nevertheless.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::time::ClockId;
use procfs::process::Process;

use crate::capture::now_ns;

use super::addresses;

/// The bound of processes that are read in one cgroup. They share their namespace.
const MAX_PROCESSES: usize = 64;
const SECOND_NS: u64 = 1_000_000_000;

/// The network of a cgroup's processes, and their start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Processes {
    /// Inode number of the network namespace; `None` without the privilege to read it.
    pub(super) netns: Option<u32>,
    /// The addresses of the network namespace.
    pub(super) addresses: Vec<IpAddr>,
    /// When the oldest process started, nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) from_ns: u64,
}

/// The network namespace of this process.
pub(super) fn own_netns() -> Option<u32> {
    netns(Path::new("/proc/self"))
}

/// Reads the processes in a cgroup, without those in cgroups below. `None` if no process can be
/// read.
pub(super) fn of_cgroup(directory: &Path) -> Option<Processes> {
    let pids = fs::read_to_string(directory.join("cgroup.procs")).ok()?;
    let mut oldest: Option<(u64, PathBuf)> = None;
    for pid in pids.lines().take(MAX_PROCESSES) {
        // 0 is a process of a PID namespace that is not visible here.
        let Some(pid) = pid.parse().ok().filter(|pid| *pid > 0) else {
            continue;
        };
        let started = Process::new(pid).and_then(|process| process.stat());
        let Some(from_ns) = started.ok().and_then(|stat| monotonic_ns(stat.starttime)) else {
            continue;
        };
        if oldest
            .as_ref()
            .is_none_or(|(oldest_ns, _)| from_ns < *oldest_ns)
        {
            oldest = Some((from_ns, PathBuf::from(format!("/proc/{pid}"))));
        }
    }
    let (from_ns, process) = oldest?;
    let read = |name| fs::read_to_string(process.join(name)).unwrap_or_default();
    let mut found = addresses::of_fib_trie(&read("net/fib_trie"));
    found.extend(addresses::of_if_inet6(&read("net/if_inet6")));
    Some(Processes {
        netns: netns(&process),
        addresses: found,
        from_ns,
    })
}

fn netns(process: &Path) -> Option<u32> {
    let inode = fs::metadata(process.join("ns/net")).ok()?.ino();
    u32::try_from(inode).ok()
}

/// Converts ticks since boot, from /proc/PID/stat, to CLOCK_MONOTONIC, which unlike the clock of
/// the ticks stops while the machine is suspended (kernel: do_task_stat uses start_boottime since
/// 5.5).
fn monotonic_ns(ticks: u64) -> Option<u64> {
    let since_boot_ns = ticks.checked_mul(SECOND_NS / procfs::ticks_per_second().max(1))?;
    let suspended_ns =
        now_ns(ClockId::CLOCK_BOOTTIME)?.saturating_sub(now_ns(ClockId::CLOCK_MONOTONIC)?);
    Some(since_boot_ns.saturating_sub(suspended_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_its_namespace_and_its_start() {
        let directory = tempfile::tempdir().unwrap();
        let procs = format!("0\n{}\n999999999\nx\n", std::process::id());
        fs::write(directory.path().join("cgroup.procs"), procs).unwrap();
        let found = of_cgroup(directory.path()).unwrap();
        assert!(found.netns.is_some() && found.netns == own_netns());
        let now_ns = now_ns(ClockId::CLOCK_MONOTONIC).unwrap();
        let age_ns = now_ns - found.from_ns;
        assert!(
            found.from_ns < now_ns && age_ns < 600 * SECOND_NS,
            "{age_ns}"
        );
    }

    #[test]
    fn a_cgroup_without_processes_has_none() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(of_cgroup(directory.path()), None);
        fs::write(directory.path().join("cgroup.procs"), "\n").unwrap();
        assert_eq!(of_cgroup(directory.path()), None);
    }
}
