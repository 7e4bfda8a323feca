//! The cgroup v2 directory below which sockets are followed.
//!
//! In: the argument of the command line, and /proc/self/mounts. Out: a directory that a program can
//! be attached to, or why there is none.

use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

/// The directory, below /sys/fs/cgroup, where hosts that also use cgroup v1 mount version 2.
const HYBRID: &str = "unified";

/// Why there is no directory to attach to.
#[derive(Debug, thiserror::Error)]
pub enum NoCgroup2 {
    /// No directory was given, and no cgroup v2 file system is mounted.
    #[error(
        "no cgroup v2 file system is mounted: hopspan follows sockets by their cgroup v2; mount one at /sys/fs/cgroup"
    )]
    NotMounted,
    /// /proc cannot be read.
    #[error("read /proc/self/mounts")]
    Mounts(#[source] std::io::Error),
    /// The directory cannot be opened.
    #[error("open cgroup {path}: is the host's /sys/fs/cgroup mounted there?")]
    Unreadable {
        /// The directory, as given.
        path: PathBuf,
        /// The cause.
        #[source]
        source: nix::Error,
    },
    /// The directory is of another file system.
    #[error("{0} is not a directory of a cgroup v2 file system; it may be one of cgroup v1")]
    NotCgroup2(PathBuf),
}

/// The given directory, or the root of the first cgroup v2 file system that is mounted. If the
/// given directory is of cgroup v1 and has version 2 mounted at `unified`, that mount.
///
/// # Errors
///
/// When this is no directory of a cgroup v2 file system.
pub fn find(given: Option<&Path>) -> Result<PathBuf, NoCgroup2> {
    let Some(given) = given else {
        let mounts = std::fs::read_to_string("/proc/self/mounts").map_err(NoCgroup2::Mounts)?;
        return mounted(&mounts).ok_or(NoCgroup2::NotMounted);
    };
    if is_cgroup2(given)? {
        return Ok(given.to_owned());
    }
    let below = given.join(HYBRID);
    match is_cgroup2(&below) {
        Ok(true) => Ok(below),
        _ => Err(NoCgroup2::NotCgroup2(given.to_owned())),
    }
}

/// Whether the cgroup is the root, with the sockets of every cgroup below it. Only the root of the
/// hierarchy has no `cgroup.type` (Documentation/admin-guide/cgroup-v2.rst); the root of a cgroup
/// namespace has one.
pub fn is_root(cgroup: &Path) -> bool {
    !cgroup.join("cgroup.type").exists()
}

fn is_cgroup2(path: &Path) -> Result<bool, NoCgroup2> {
    let found = statfs(path).map_err(|source| NoCgroup2::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(found.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

/// The first mount point of the type cgroup2, by /proc/self/mounts.
fn mounted(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mount_is_found_also_beside_version_1() {
        let check = |mounts: &str, expected: Option<&str>| {
            assert_eq!(mounted(mounts), expected.map(PathBuf::from), "{mounts}");
        };
        check(
            "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
            Some("/sys/fs/cgroup"),
        );
        check(
            "tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
            Some("/sys/fs/cgroup/unified"),
        );
        check("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\nbroken\n", None);
    }

    #[test]
    fn a_directory_of_another_file_system_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = find(Some(directory.path())).unwrap_err();
        assert!(matches!(error, NoCgroup2::NotCgroup2(_)), "{error}");
        let error = find(Some(&directory.path().join("absent"))).unwrap_err();
        assert!(matches!(error, NoCgroup2::Unreadable { .. }), "{error}");
    }
}
