//! What one lab owns on the machine: its lock, cgroup, namespaces, processes and work directory,
//! and their removal.
//!
//! Every function here that makes something fails once teardown has begun, so a signal during the
//! making of a lab leaves nothing behind. Knows nothing of nodes, pods and services.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as StdCommand};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result, bail};

use crate::cgroup;
use crate::lock::{Lock, Record};
use crate::mutex::lock;
use crate::names;
use crate::remains::{Remains, Removed};
use crate::spawner::Spawner;

#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) id: String,
    pub(crate) cgroup: PathBuf,
    pub(crate) work_dir: PathBuf,
    spawner: Spawner,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` once teardown has begun.
    lock: Option<Lock>,
    keep_work_dir: bool,
}

impl Resources {
    /// Takes an id and its lock, then creates the cgroups and the work directory.
    pub(crate) fn take(label: &str) -> Result<Arc<Self>> {
        let mount = cgroup::mount_point().context("no cgroup v2 is mounted")?;
        let spawner = Spawner::start()?;
        let work_dir = |id: &str| std::env::temp_dir().join(names::directory(id));
        let lock = Lock::take(Path::new(names::LOCK_DIR), |id| Record {
            owner_pid: Some(std::process::id()),
            label: label.to_owned(),
            work_dir: Some(work_dir(id)),
        })?;
        let id = lock.id.clone();
        let resources = Arc::new(Self {
            cgroup: mount.join(names::directory(&id)),
            work_dir: work_dir(&id),
            id,
            spawner,
            state: Mutex::new(State {
                lock: Some(lock),
                keep_work_dir: false,
            }),
        });
        if let Err(error) = resources.create_directories() {
            resources
                .teardown()
                .context("remove a lab that could not be made")?;
            return Err(error);
        }
        Ok(resources)
    }

    /// Starts a process on the lab's spawner thread.
    pub(crate) fn spawn(&self, command: StdCommand) -> Result<Child> {
        let _live = self.live()?;
        let program = command.get_program().to_owned();
        self.spawner
            .spawn(command)
            .with_context(|| format!("start {}", program.display()))
    }

    pub(crate) fn create_cgroup(&self, path: &Path) -> Result<()> {
        let _live = self.live()?;
        cgroup::create(path)
    }

    /// Creates `<work directory>/<name>.log`, with a number where that exists already.
    pub(crate) fn create_log(&self, name: &str) -> Result<(PathBuf, File)> {
        let _live = self.live()?;
        let candidates =
            std::iter::once(format!("{name}.log")).chain((2..).map(|n| format!("{name}-{n}.log")));
        for path in candidates.map(|file| self.work_dir.join(file)) {
            match File::create_new(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("create {}", path.display()));
                }
            }
        }
        bail!("no log name left for {name}")
    }

    pub(crate) fn keep_work_dir(&self) {
        self.state().keep_work_dir = true;
    }

    /// Kills and removes everything. A second call waits for one in progress in another thread, and
    /// does nothing.
    pub(crate) fn teardown(&self) -> Result<Removed> {
        let mut state = self.state();
        let Some(lock) = state.lock.take() else {
            return Ok(Removed::default());
        };
        let keep = state.keep_work_dir || std::thread::panicking();
        if keep {
            eprintln!(
                "hopspan-lab: logs of lab {} are kept in {}",
                self.id,
                self.work_dir.display()
            );
        }
        Remains {
            lock,
            cgroup: self.cgroup.clone(),
            work_dir: (!keep).then(|| self.work_dir.clone()),
        }
        .remove()
    }

    fn create_directories(&self) -> Result<()> {
        // All users share the temporary directory: mode 0700, and an error when the name is taken.
        let made = DirBuilder::new().mode(0o700).create(&self.work_dir);
        made.with_context(|| format!("create {}", self.work_dir.display()))?;
        cgroup::create(&self.cgroup.join("tools"))
    }

    /// Delays teardown while the guard lives. Fails when teardown has begun.
    fn live(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.lock.is_none() {
            bail!("lab {} was torn down", self.id);
        }
        Ok(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
