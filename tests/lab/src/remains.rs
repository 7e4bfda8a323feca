//! Removes everything of one lab, in the necessary order: processes, namespaces, cgroups, logs,
//! lock.
//!
//! In: the lock (held by the caller) and the paths of the lab's directories. Out: what was removed.
//! Both an owner's teardown and the sweep after a dead owner use it.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::{Context, Error, Result};

use crate::cgroup;
use crate::lock::Lock;
use crate::names;
use crate::netns;

/// What was removed of a lab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Processes killed.
    pub processes: usize,
    /// Named network namespaces.
    pub namespaces: usize,
    /// Cgroups, the lab's own included.
    pub cgroups: usize,
    /// The directory of logs.
    pub work_dir: Option<PathBuf>,
}

pub(crate) struct Remains {
    pub(crate) lock: Lock,
    pub(crate) cgroup: PathBuf,
    pub(crate) work_dir: Option<PathBuf>,
}

impl Remains {
    /// Removes everything. It goes on after an error and returns the first; the lock file then
    /// stays, so that the next sweep tries again.
    pub(crate) fn remove(self) -> Result<Removed> {
        let mut removed = Removed::default();
        let mut failure = None;
        removed.processes =
            cgroup::kill_all(&self.cgroup).unwrap_or_else(|error| note(&mut failure, error));
        for path in netns::of_lab(&self.lock.id).unwrap_or_else(|error| note(&mut failure, error)) {
            match netns::remove(&path) {
                Ok(()) => removed.namespaces += 1,
                Err(error) => note(&mut failure, error),
            }
        }
        removed.cgroups =
            cgroup::remove_all(&self.cgroup).unwrap_or_else(|error| note(&mut failure, error));
        removed.work_dir = self
            .remove_work_dir()
            .unwrap_or_else(|error| note(&mut failure, error));
        let id = self.lock.id.clone();
        match failure {
            None => self.lock.release()?,
            Some(error) => return Err(error.context(format!("remove lab {id}"))),
        }
        Ok(removed)
    }

    fn remove_work_dir(&self) -> Result<Option<PathBuf>> {
        let Some(path) = &self.work_dir else {
            return Ok(None);
        };
        // The path comes from a file: only a directory with this lab's name may be removed.
        if path
            .file_name()
            .is_none_or(|name| name != names::directory(&self.lock.id).as_str())
        {
            return Ok(None);
        }
        match fs::remove_dir_all(path) {
            Ok(()) => Ok(Some(path.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("remove {}", path.display())),
        }
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processes,
            namespaces,
            cgroups,
            work_dir,
        } = self;
        write!(
            f,
            "{processes} processes, {namespaces} network namespaces, {cgroups} cgroups"
        )?;
        match work_dir {
            Some(path) => write!(f, ", {}", path.display()),
            None => Ok(()),
        }
    }
}

fn note<T: Default>(failure: &mut Option<Error>, error: Error) -> T {
    failure.get_or_insert(error);
    T::default()
}
