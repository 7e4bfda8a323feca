//! Where things are: the workspace's own directories, its programs, and the cargo that started us.
//! In: the build's location and the environment. Out: absolute paths and commands. Knows no
//! subcommand.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The checkout this xtask was built from.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout this program was built from.
    pub(crate) fn new() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is not inside a workspace")?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// The directory with the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The kernel programs, a cargo workspace of their own.
    pub(crate) fn ebpf(&self) -> PathBuf {
        self.root.join("tracer-ebpf")
    }

    /// The fuzz targets, a cargo workspace of their own.
    pub(crate) fn fuzz(&self) -> PathBuf {
        self.root.join("fuzz")
    }

    /// Where cargo builds: this program is in a profile's directory below it.
    pub(crate) fn target_dir(&self) -> Result<PathBuf> {
        let this = env::current_exe().context("find this program")?;
        let dir = this
            .ancestors()
            .nth(2)
            .with_context(|| format!("{} is not in a target directory", this.display()))?;
        Ok(dir.to_owned())
    }

    /// Where set-up puts the tools it installs.
    pub(crate) fn tools(&self) -> PathBuf {
        ebpf_toolchain::tools_dir(&self.root)
    }

    /// The full output of one step.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.tools().join("log").join(format!("{name}.log"))
    }

    /// Cargo, run in the workspace, by the toolchain that runs this program.
    pub(crate) fn cargo<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(args).current_dir(&self.root);
        cargo
    }
}

/// Whether a program of that name can be run by root: PATH, and the directories that an ordinary
/// user's PATH leaves out.
pub(crate) fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let beyond = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(beyond)
        .any(|dir| dir.join(name).is_file())
}
