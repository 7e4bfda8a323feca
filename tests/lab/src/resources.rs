//! What one lab owns on the machine: its lock, cgroup, namespaces, processes and work directory, and their end.
//!
//! Everything that makes something visible goes through here and is refused once teardown has begun, so a signal that
//! arrives in the middle of building a lab leaves nothing behind. It knows nothing of nodes, pods and services.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as StdCommand};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::addresses::Addresses;
use crate::availability::find_program;
use crate::cgroup;
use crate::command::{Command, Place};
use crate::kube_proxy::{Family, ProxyMode};
use crate::lock::{Lock, Record};
use crate::names;
use crate::remains::{Remains, Removed};
use crate::spawner::Spawner;

/// `ip` takes milliseconds and thousands of services a few seconds; this is for a machine that is busy compiling.
const TOOL_DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) id: String,
    pub(crate) cgroup: PathBuf,
    pub(crate) work_dir: PathBuf,
    spawner: Spawner,
    files: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Gone when teardown has begun.
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
            files: AtomicU64::new(0),
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

    /// Creates `<work directory>/<name>.log`, with a number when there is one already.
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

    /// A file without a name, for what goes into a command or comes out of one.
    pub(crate) fn create_unnamed(&self) -> Result<File> {
        let _live = self.live()?;
        let path = self
            .work_dir
            .join(format!(".{}", self.files.fetch_add(1, Ordering::Relaxed)));
        let mut open = File::options();
        let file = open.read(true).write(true).create_new(true).open(&path);
        let file = file.with_context(|| format!("create {}", path.display()))?;
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        Ok(file)
    }

    /// Makes a named network namespace and returns its path.
    pub(crate) fn create_netns(self: &Arc<Self>, name: &str) -> Result<PathBuf> {
        let name = format!("{}{name}", names::netns_prefix(&self.id));
        self.tool("ip", None)?
            .args(["netns", "add", &name])
            .run(TOOL_DEADLINE)?;
        Ok(names::netns_path(&name))
    }

    /// Runs lines of `ip -batch` in a namespace.
    pub(crate) fn ip(self: &Arc<Self>, netns: &Path, lines: &str) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.tool("ip", Some(netns))?
            .args(["-batch", "-"])
            .stdin_text(lines)?
            .run(TOOL_DEADLINE)?;
        Ok(())
    }

    /// Runs lines of `bridge -batch` in a namespace.
    pub(crate) fn bridge(self: &Arc<Self>, netns: &Path, lines: &str) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.tool("bridge", Some(netns))?
            .args(["-batch", "-"])
            .stdin_text(lines)?
            .run(TOOL_DEADLINE)?;
        Ok(())
    }

    /// Gives a namespace an eth0 whose other end is a port of the wire's bridge.
    pub(crate) fn plug(
        self: &Arc<Self>,
        wire: &Path,
        netns: &Path,
        port: &str,
        ip: Addresses,
    ) -> Result<()> {
        let wire_name = wire
            .file_name()
            .and_then(OsStr::to_str)
            .context("the wire's network namespace has no name")?;
        let (Addresses { v4, v6 }, gateway) = (ip, Addresses::GATEWAY);
        self.ip(
            netns,
            &format!(
                "link set lo up\n\
                 link add name eth0 type veth peer name {port} netns {wire_name}\n\
                 addr add {v4}/16 dev eth0\n\
                 addr add {v6}/64 dev eth0 nodad\n\
                 link set eth0 up\n\
                 route add default via {}\n\
                 route add default via {}\n",
                gateway.v4, gateway.v6
            ),
        )?;
        let lines = format!("link set {port} master wire\nlink set {port} up\n");
        self.ip(wire, &lines)
    }

    /// Replaces the namespace's rules of one family by those of a proxy mode: iptables table by table, each atomically,
    /// nftables at once.
    pub(crate) fn restore(
        self: &Arc<Self>,
        netns: &Path,
        mode: ProxyMode,
        family: Family,
        payload: &str,
    ) -> Result<()> {
        let (program, arguments): (_, &[&str]) = match (mode, family) {
            (ProxyMode::Iptables, Family::V4) => ("iptables-restore", &[]),
            (ProxyMode::Iptables, Family::V6) => ("ip6tables-restore", &[]),
            (ProxyMode::IptablesLegacy, Family::V4) => ("iptables-legacy-restore", &[]),
            (ProxyMode::IptablesLegacy, Family::V6) => ("ip6tables-legacy-restore", &[]),
            (ProxyMode::Nftables, _) => ("nft", &["-f", "-"]),
        };
        self.tool(program, Some(netns))?
            .args(arguments)
            .stdin_text(payload)?
            .run(TOOL_DEADLINE)?;
        Ok(())
    }

    pub(crate) fn keep_work_dir(&self) {
        self.state().keep_work_dir = true;
    }

    /// Kills and removes everything. A second call finds nothing to do, and waits for a first one under way elsewhere.
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
        // The temporary directory is everybody's: mode 0700, and an error when the name is taken.
        let made = DirBuilder::new().mode(0o700).create(&self.work_dir);
        made.with_context(|| format!("create {}", self.work_dir.display()))?;
        cgroup::create(&self.cgroup.join("tools"))
    }

    fn tool(self: &Arc<Self>, program: &str, netns: Option<&Path>) -> Result<Command> {
        let path = find_program(program).with_context(|| format!("{program} is not on PATH"))?;
        let place = Place {
            name: "lab".into(),
            cgroup: self.cgroup.join("tools"),
            netns: netns.map(Path::to_path_buf),
        };
        Ok(Command::new(Arc::clone(self), place, path))
    }

    /// Holds teardown off while something is being made.
    fn live(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.lock.is_none() {
            bail!("lab {} was torn down", self.id);
        }
        Ok(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not keep teardown from running.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
