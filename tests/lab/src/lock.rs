//! The lock file of a living lab: `<id>.lock`, flock'ed by the owner until it ends, however it
//! ends.
//!
//! In: a label. Out: an id that no other lab has, and the locks of labs whose owner is gone.
//! Knows nothing of what a lab consists of.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::names;
use crate::poll::poll;

const SUFFIX: &str = ".lock";

/// How long the lock of a dead owner may stay held: by a child between fork and exec, which shares
/// the owner's open files and dies right after it, or by another sweep that is removing the lab.
const LINGER: Duration = Duration::from_secs(2);

/// A lock file this process holds. Dropping it without [`Lock::release`] leaves the file for a
/// sweep to find.
#[derive(Debug)]
pub(crate) struct Lock {
    pub(crate) id: String,
    path: PathBuf,
    file: File,
}

/// The result of an attempt to lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acquired {
    Held,
    /// Another process holds it.
    Busy,
    /// Its holder has removed the file.
    Gone,
}

/// The contents of the file, for the sweep that removes the lab.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) owner_pid: Option<u32>,
    pub(crate) label: String,
    pub(crate) work_dir: Option<PathBuf>,
}

impl Lock {
    /// Takes an id that is free on this machine. `record` gets the id and returns the file's
    /// contents.
    pub(crate) fn take(directory: &Path, record: impl FnOnce(&str) -> Record) -> Result<Self> {
        /// Ids have 32 random bits: a few attempts are plenty unless the directory is broken.
        const ATTEMPTS: usize = 16;

        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        for _ in 0..ATTEMPTS {
            let id = names::random_hex(4)?;
            let path = directory.join(format!("{id}{SUFFIX}"));
            let mut open = OpenOptions::new();
            let file = match open
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
            {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => {
                    return Err(error).with_context(|| format!("create {}", path.display()));
                }
            };
            let mut lock = Self { id, path, file };
            // Between creating and locking, a sweep may take the file for an orphan; it then
            // removes the file.
            if lock.acquire()? != Acquired::Held {
                continue;
            }
            let record = record(&lock.id).to_text()?;
            lock.file
                .write_all(record.as_bytes())
                .with_context(|| format!("write {}", lock.path.display()))?;
            return Ok(lock);
        }
        bail!(
            "no free lab id in {} after {ATTEMPTS} attempts: remove the stale files there",
            directory.display()
        )
    }

    /// Every lock file whose owner is gone, now held by the caller, and its contents.
    pub(crate) fn orphans(directory: &Path) -> Result<Vec<(Self, Record)>> {
        let reading = || format!("read {}", directory.display());
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(reading),
        };
        let mut orphans = Vec::new();
        for entry in entries {
            orphans.extend(Self::adopt(entry.with_context(reading)?.path())?);
        }
        Ok(orphans)
    }

    /// Removes the file, then gives up the lock. Everything else of the lab must be removed before.
    pub(crate) fn release(self) -> Result<()> {
        fs::remove_file(&self.path).with_context(|| format!("remove {}", self.path.display()))
    }

    /// Takes over the lock of a dead owner. `None` when the path is no lock file, or its owner
    /// lives.
    fn adopt(path: PathBuf) -> Result<Option<(Self, Record)>> {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(id) = name.and_then(|name| name.strip_suffix(SUFFIX)) else {
            return Ok(None);
        };
        // Names are derived from the id, so nothing but an id may pass.
        if id.len() != 8 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let id = id.to_owned();
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
        };
        let lock = Self { id, path, file };
        let adopted = poll(LINGER, || lock.try_adopt().transpose()).transpose()?;
        Ok(adopted.flatten().map(|record| (lock, record)))
    }

    /// `Some(Some(record))` once the lock is held, `Some(None)` when it cannot be taken over, and
    /// `None` while the lock of a dead owner lingers.
    fn try_adopt(&self) -> Result<Option<Option<Record>>> {
        let (acquired, record) = (self.acquire()?, self.record()?);
        Ok(match acquired {
            Acquired::Held => Some(Some(record)),
            Acquired::Gone => Some(None),
            Acquired::Busy => record.owner_is_alive().then_some(None),
        })
    }

    fn acquire(&self) -> Result<Acquired> {
        match self.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Acquired::Busy),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", self.path.display()));
            }
        }
        let held = self
            .file
            .metadata()
            .with_context(|| format!("stat {}", self.path.display()))?;
        let is_held = |named: fs::Metadata| (named.dev(), named.ino()) == (held.dev(), held.ino());
        if fs::metadata(&self.path).is_ok_and(is_held) {
            Ok(Acquired::Held)
        } else {
            Ok(Acquired::Gone)
        }
    }

    fn record(&self) -> Result<Record> {
        let mut text = String::new();
        let mut file = &self.file;
        file.rewind()
            .and_then(|()| file.read_to_string(&mut text))
            .with_context(|| format!("read {}", self.path.display()))?;
        Ok(Record::from_text(&text))
    }
}

impl Record {
    fn to_text(&self) -> Result<String> {
        ensure!(
            !self.label.contains('\n'),
            "lab label {:?} has a line break",
            self.label
        );
        let pid = self.owner_pid.unwrap_or_default();
        let work_dir = self.work_dir.as_deref().unwrap_or(Path::new("")).display();
        Ok(format!(
            "owner={pid}\nlabel={}\nwork_dir={work_dir}\n",
            self.label
        ))
    }

    /// A dead process whose parent has not waited for it has no memory, so no command line. An
    /// owner that has not written its process id yet is just starting.
    fn owner_is_alive(&self) -> bool {
        let Some(pid) = self.owner_pid else {
            return true;
        };
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
    }

    /// An owner that died while writing leaves a part or nothing: missing lines stay empty.
    fn from_text(text: &str) -> Self {
        let mut record = Self::default();
        for (key, value) in text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n')?.split_once('='))
        {
            match key {
                "owner" => record.owner_pid = value.parse().ok(),
                "label" => value.clone_into(&mut record.label),
                "work_dir" if !value.is_empty() => record.work_dir = Some(value.into()),
                _ => {}
            }
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            owner_pid: Some(std::process::id()),
            label: "a label".into(),
            work_dir: Some("/tmp/x".into()),
        }
    }

    #[test]
    fn a_lock_is_an_orphan_once_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path(), |_| record()).unwrap();
        let id = lock.id.clone();
        assert!(Lock::orphans(directory.path()).unwrap().is_empty());

        drop(lock);
        let mut orphans = Lock::orphans(directory.path()).unwrap();
        let (orphan, found) = orphans.pop().unwrap();
        assert_eq!((&orphan.id, found), (&id, record()));
        assert!(
            Lock::orphans(directory.path()).unwrap().is_empty(),
            "held by the first sweep"
        );

        orphan.release().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_held_briefly_after_its_owner_died_is_an_orphan() {
        let directory = tempfile::tempdir().unwrap();
        // Process ids end at 2^22, so this owner is not alive.
        let owner_pid = Some(u32::MAX);
        let dead = Record {
            owner_pid,
            ..record()
        };
        let lock = Lock::take(directory.path(), |_| dead).unwrap();
        let id = lock.id.clone();
        let orphans = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                drop(lock);
            });
            Lock::orphans(directory.path()).unwrap()
        });
        let ids: Vec<_> = orphans.iter().map(|(lock, _)| &lock.id).collect();
        assert_eq!(ids, [&id]);
    }

    #[test]
    fn a_released_lock_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        Lock::take(directory.path(), |_| record())
            .unwrap()
            .release()
            .unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_on_a_file_that_was_removed_is_not_a_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("00000000.lock");
        let file = File::create_new(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let lock = Lock {
            id: "00000000".into(),
            path: path.clone(),
            file,
        };
        assert_eq!(lock.acquire().unwrap(), Acquired::Gone);
        File::create_new(&path).unwrap();
        let reason = "another file has the name now";
        assert_eq!(lock.acquire().unwrap(), Acquired::Gone, "{reason}");
    }

    #[test]
    fn other_files_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["notes", "short.lock", "zzzzzzzz.lock", ".lock"] {
            File::create_new(directory.path().join(name)).unwrap();
        }
        assert!(Lock::orphans(directory.path()).unwrap().is_empty());
        assert!(
            Lock::orphans(&directory.path().join("missing"))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn every_prefix_of_a_record_reads() {
        let text = record().to_text().unwrap();
        assert_eq!(Record::from_text(&text), record());
        for end in 0..text.len() {
            let found = Record::from_text(&text[..end]);
            assert!(
                found.work_dir.is_none(),
                "a path cut short must not be removed: {found:?}"
            );
        }
    }
}
