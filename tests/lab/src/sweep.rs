//! Finds labs whose owner died without removing them, and removes them.
//!
//! A lab is dead when no process holds its lock file. A live lab is never touched.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cgroup;
use crate::lock::Lock;
use crate::names;
use crate::remains::{Remains, Removed};

/// A lab that its owner left behind, and the result of removing it.
#[derive(Debug)]
pub struct Swept {
    /// The lab's id.
    pub id: String,
    /// Its label; empty when the owner died before writing it.
    pub label: String,
    /// The process that owned it.
    pub owner_pid: Option<u32>,
    /// What was removed, or why that failed: then the next sweep tries again.
    pub outcome: Result<Removed>,
}

/// Removes every lab on this machine whose owner is gone, with its processes, namespaces, cgroups
/// and logs.
///
/// # Errors
/// When the lock files or the cgroup mount cannot be read. A lab that cannot be removed is part of
/// the result.
pub fn sweep() -> Result<Vec<Swept>> {
    let mount = cgroup::mount_point().context("no cgroup v2 is mounted")?;
    let orphans = Lock::orphans(Path::new(names::LOCK_DIR))?;
    let swept = orphans.into_iter().map(|(lock, record)| {
        let id = lock.id.clone();
        let cgroup = mount.join(names::directory(&id));
        let outcome = Remains {
            lock,
            cgroup,
            work_dir: record.work_dir,
        }
        .remove();
        Swept {
            id,
            label: record.label,
            owner_pid: record.owner_pid,
            outcome,
        }
    });
    Ok(swept.collect())
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lab {} ({}) left behind by process {}: ",
            self.id,
            self.label,
            self.owner_pid.unwrap_or(0)
        )?;
        match &self.outcome {
            Ok(removed) => write!(f, "removed {removed}"),
            Err(error) => write!(f, "cannot be removed: {error:#}"),
        }
    }
}
