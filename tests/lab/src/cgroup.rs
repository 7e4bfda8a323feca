//! The lab's part of the cgroup v2 hierarchy: find it, create in it, kill all in it, remove it.
//!
//! Source: the kernel's Documentation/admin-guide/cgroup-v2.rst. No controller is ever enabled:
//! cgroups only group processes by pod.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::poll::poll;

/// How long killed processes may take to end, and cgroups to become removable.
const DEADLINE: Duration = Duration::from_secs(5);

/// Where cgroup v2 is mounted: `/sys/fs/cgroup`, or elsewhere beside version 1.
pub(crate) fn mount_point() -> Option<PathBuf> {
    find_cgroup2(&fs::read_to_string("/proc/self/mounts").ok()?)
}

/// Creates the cgroup and its parents.
pub(crate) fn create(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("create cgroup {}", path.display()))
}

/// Kills every process in the cgroup and below it, and waits until all have ended (a zombie is in
/// no cgroup). Returns how many there were. A cgroup that does not exist has none.
pub(crate) fn kill_all(path: &Path) -> Result<usize> {
    let found = processes(path).len();
    let emptied = poll(DEADLINE, || {
        if !is_populated(path) {
            return Some(());
        }
        // One write kills the whole tree and catches forks (kernel: cgroup_kill_write, since 5.14).
        if fs::write(path.join("cgroup.kill"), "1").is_err() {
            for pid in processes(path) {
                // The process may have ended by itself since it was listed.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        None
    });
    if emptied.is_none() {
        bail!(
            "processes {:?} in cgroup {} survive SIGKILL",
            processes(path),
            path.display()
        );
    }
    Ok(found)
}

/// Removes the cgroup and everything below it, children first. Returns how many there were.
pub(crate) fn remove_all(path: &Path) -> Result<usize> {
    let mut removed = 0;
    for child in children(path) {
        removed += remove_all(&child)?;
    }
    let result = poll(DEADLINE, || match fs::remove_dir(path) {
        // The last process is leaving.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => None,
        result => Some(result),
    });
    match result {
        Some(Ok(())) => Ok(removed + 1),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(removed),
        Some(Err(error)) => Err(error).with_context(|| format!("remove cgroup {}", path.display())),
        None => bail!("cgroup {} stays busy", path.display()),
    }
}

fn find_cgroup2(mounts: &str) -> Option<PathBuf> {
    let mut found = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    });
    let first = found.next()?;
    Some(
        found
            .find(|path| path == Path::new("/sys/fs/cgroup"))
            .unwrap_or(first),
    )
}

fn is_populated(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.events"))
        .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

/// The pids in the cgroup and below it.
fn processes(path: &Path) -> Vec<i32> {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let own = text.lines().filter_map(|line| line.parse().ok());
    own.chain(children(path).iter().flat_map(|child| processes(child)))
        .collect()
}

fn children(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|child| child.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_on_unified_and_hybrid_machines() {
        let unified =
            "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsdelegate 0 0\n";
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
        let twice = "none /mnt/cgroup cgroup2 rw 0 0\nnone /sys/fs/cgroup cgroup2 rw 0 0\n";
        let version1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2\n\n";
        let cases = [
            (unified, Some("/sys/fs/cgroup")),
            (hybrid, Some("/sys/fs/cgroup/unified")),
            (twice, Some("/sys/fs/cgroup")),
            (version1, None),
        ];
        for (mounts, expected) in cases {
            assert_eq!(
                find_cgroup2(mounts).as_deref(),
                expected.map(Path::new),
                "{mounts}"
            );
        }
    }

    #[test]
    fn a_cgroup_that_does_not_exist_has_no_processes_and_is_not_removed() {
        let path = Path::new("/sys/fs/cgroup/hopspan-lab-that-never-was");
        assert_eq!(kill_all(path).unwrap(), 0);
        assert_eq!(remove_all(path).unwrap(), 0);
    }
}
