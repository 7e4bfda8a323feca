//! Network namespaces: run a function in one, identify one, remove one.
//!
//! Named ones are below /run/netns. `ip netns add` makes them, which also keeps /run/netns a shared
//! mount, as other tools expect.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::names;

/// Runs `f` in a named namespace, on a thread of its own: a network namespace is a thread's. A
/// socket made in `f` stays in the namespace wherever it is used afterwards. A panic in `f` goes on
/// in the caller.
pub(crate) fn within<T: Send>(path: &Path, f: impl FnOnce() -> T + Send) -> Result<T> {
    let namespace =
        File::open(path).with_context(|| format!("open network namespace {}", path.display()))?;
    on_thread(|| setns(&namespace, CloneFlags::CLONE_NEWNET), f)
        .with_context(|| format!("enter network namespace {}", path.display()))
}

/// Runs `f` in a new network namespace without a name, on a thread of its own. The kernel frees the
/// namespace when that thread, the processes started by `f` and the sockets made in `f` are gone. A
/// panic in `f` goes on in the caller.
///
/// # Errors
/// When the process lacks CAP_SYS_ADMIN, see unshare(2).
pub fn within_new_netns<T: Send>(f: impl FnOnce() -> T + Send) -> Result<T> {
    on_thread(|| unshare(CloneFlags::CLONE_NEWNET), f).context("make a network namespace")
}

fn on_thread<T: Send>(
    enter: impl FnOnce() -> nix::Result<()> + Send,
    f: impl FnOnce() -> T + Send,
) -> nix::Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| enter().map(|()| f()));
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The name of a namespace, as `ip` takes it.
pub(crate) fn name(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(OsStr::to_str);
    name.with_context(|| format!("network namespace {} has no name", path.display()))
}

/// The inode that identifies the namespace in /proc/<pid>/ns/net and in the kernel's
/// `net->ns.inum`.
pub(crate) fn inode(path: &Path) -> Result<u64> {
    // Until `ip netns add` has mounted the namespace, the file has an unrelated inode; the path is
    // known only later.
    Ok(fs::metadata(path)
        .with_context(|| format!("stat network namespace {}", path.display()))?
        .ino())
}

/// The named namespaces of one lab.
pub(crate) fn of_lab(id: &str) -> Result<Vec<PathBuf>> {
    let prefix = names::netns_prefix(id);
    let entries = match fs::read_dir(names::NETNS_DIR) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {}", names::NETNS_DIR)),
    };
    let paths = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    Ok(paths.map(|entry| entry.path()).collect())
}

/// Removes the name. The kernel frees the namespace, its devices and rules when the last process
/// and socket have left it.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match umount2(path, MntFlags::MNT_DETACH) {
        // Not mounted: `ip` was killed between creating the file and mounting the namespace.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(error) => return Err(error).with_context(|| format!("unmount {}", path.display())),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
