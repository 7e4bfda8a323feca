//! Waits until cgroups are made, removed, filled or emptied.
//!
//! In: the directories to watch. Out: a wake-up, without the change. kernel: inotify reports
//! cgroups as directories that are made and removed, and `cgroup.events` as modified when the first
//! process enters or the last one leaves (cgroup_file_notify).

use std::{
    collections::HashMap,
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor},
};

/// From the first event to the wake-up: a container is made in many steps, and the tree is scanned
/// once after them.
const SETTLE: Duration = Duration::from_millis(20);

/// The inotify instance and its watches.
#[derive(Debug)]
pub(super) struct Changes {
    inotify: Inotify,
    watched: HashMap<PathBuf, [Option<WatchDescriptor>; 2]>,
    refused: bool,
}

impl Changes {
    /// Opens inotify, without watches.
    ///
    /// # Errors
    ///
    /// When no more inotify instances are allowed (fs.inotify.max_user_instances).
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            inotify: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?,
            watched: HashMap::new(),
            refused: false,
        })
    }

    /// Watches these directories and no others. Leaves out directories that were removed.
    pub(super) fn watch(&mut self, directories: Vec<PathBuf>) {
        let mut last = std::mem::take(&mut self.watched);
        for directory in directories {
            let descriptors = match last.remove(&directory) {
                Some(descriptors) => descriptors,
                None => {
                    let made = AddWatchFlags::IN_CREATE
                        | AddWatchFlags::IN_DELETE
                        | AddWatchFlags::IN_ONLYDIR;
                    let populated = directory.join("cgroup.events");
                    [
                        self.add(&directory, made),
                        self.add(&populated, AddWatchFlags::IN_MODIFY),
                    ]
                }
            };
            self.watched.insert(directory, descriptors);
        }
        // Fails for removed directories, whose watches the kernel has removed.
        for descriptor in last.into_values().flatten().flatten() {
            let _ = self.inotify.rm_watch(descriptor);
        }
    }

    /// Blocks until something has changed; false when `timeout` passes first.
    ///
    /// # Errors
    ///
    /// When inotify fails.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut files = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        match poll(&mut files, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        thread::sleep(SETTLE);
        let mut changed = false;
        loop {
            match self.inotify.read_events() {
                // IN_IGNORED is the end of a watch, whose cause has an event of its own.
                Ok(events) => {
                    let mut masks = events.iter().map(|event| event.mask);
                    changed |= masks.any(|mask| !mask.contains(AddWatchFlags::IN_IGNORED));
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(changed),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn add(&mut self, path: &Path, flags: AddWatchFlags) -> Option<WatchDescriptor> {
        match self.inotify.add_watch(path, flags) {
            Ok(descriptor) => Some(descriptor),
            Err(Errno::ENOENT) => None,
            Err(error) => {
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(
                        "watch {}: {error}; new pods are noticed late: raise fs.inotify.max_user_watches",
                        path.display()
                    );
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_a_watched_directory_wake() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&b).unwrap();
        let mut changes = Changes::listen().unwrap();
        changes.watch(vec![a.clone()]);
        std::fs::create_dir(b.join("unseen")).unwrap();
        assert!(!changes.wait(Duration::from_millis(50)).unwrap());
        std::fs::create_dir(a.join("seen")).unwrap();
        assert!(changes.wait(Duration::from_secs(5)).unwrap());
        assert!(!changes.wait(Duration::from_millis(50)).unwrap());
        changes.watch(vec![b.clone(), root.path().join("gone")]);
        std::fs::create_dir(a.join("no longer")).unwrap();
        assert!(!changes.wait(Duration::from_millis(50)).unwrap());
        std::fs::remove_dir(b.join("unseen")).unwrap();
        assert!(changes.wait(Duration::from_secs(5)).unwrap());
    }
}
