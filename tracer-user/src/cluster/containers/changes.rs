//! Tells when cgroups are made, removed, filled or emptied.
//!
//! In: the directories to watch. Out: a wake-up, which says nothing of what has changed.
//! kernel: cgroups are made and removed as directories are, and `cgroup.events` is modified when the
//! first process enters or the last one leaves (cgroup_file_notify), all of which inotify tells.

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

/// A container is made in many steps; the tree is read once, after the last of them.
const SETTLE: Duration = Duration::from_millis(20);

/// The directories that are watched.
#[derive(Debug)]
pub(super) struct Changes {
    inotify: Inotify,
    watched: HashMap<PathBuf, [Option<WatchDescriptor>; 2]>,
    refused: bool,
}

impl Changes {
    /// Begins to listen, to nothing yet.
    ///
    /// # Errors
    ///
    /// When there can be no more inotify instances (fs.inotify.max_user_instances).
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            inotify: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?,
            watched: HashMap::new(),
            refused: false,
        })
    }

    /// Watches these directories, and no longer any others. One that was removed meanwhile is left
    /// out.
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
        // The kernel has removed those of directories that are gone.
        for descriptor in last.into_values().flatten().flatten() {
            let _ = self.inotify.rm_watch(descriptor);
        }
    }

    /// Blocks until something has changed, or `timeout` has passed; whether something has.
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
                // A watch that has ended says so itself; what ended it was told before.
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
    fn what_is_made_in_a_watched_directory_wakes() {
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
