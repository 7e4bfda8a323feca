//! The checkout's directories, programs on PATH, and the cargo that started this program. In: where
//! this program was built, and the environment. Out: absolute paths and commands. Knows no
//! subcommand.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::progress::note;

/// The checkout that this program was built from.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// How cargo builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Workspace {
    /// The checkout that this program was built from.
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

    /// Where cargo builds: this program is in the directory of a profile below it.
    pub(crate) fn target_dir(&self) -> Result<PathBuf> {
        let this = env::current_exe().context("find this program")?;
        let dir = this
            .ancestors()
            .nth(2)
            .with_context(|| format!("{} is not in a target directory", this.display()))?;
        Ok(dir.to_owned())
    }

    /// Where cargo puts programs.
    pub(crate) fn binaries(&self, profile: Profile) -> Result<PathBuf> {
        let name = match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        };
        Ok(self.target_dir()?.join(name))
    }

    /// Where set-up installs tools.
    pub(crate) fn tools(&self) -> PathBuf {
        ebpf_toolchain::tools_dir(&self.root)
    }

    /// The file for the output of one step.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.tools().join("log").join(format!("{name}.log"))
    }

    /// Cargo of the toolchain that runs this program, in the workspace.
    ///
    /// `cargo run` has described xtask's package in the environment. Build scripts that watch these
    /// variables (ring's) would run again, and all that depends on them would be built again,
    /// whenever cargo is run by hand between two runs of xtask.
    pub(crate) fn cargo<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(args).current_dir(&self.root);
        for (name, _) in env::vars_os().filter(|(name, _)| describes_a_package(name)) {
            cargo.env_remove(name);
        }
        cargo
    }

    /// Builds the programs of these packages; cargo shows its own progress.
    ///
    /// # Errors
    /// When they do not build.
    pub(crate) fn build(&self, profile: Profile, packages: &[&str]) -> Result<()> {
        note(&format!("building {}", packages.join(", ")));
        let mut cargo = self.cargo(["build", "--bins"]);
        for package in packages {
            cargo.args(["--package", package]);
        }
        if profile == Profile::Release {
            cargo.arg("--release");
        }
        let status = cargo.status().context("run cargo build")?;
        ensure!(status.success(), "cargo build: {status}");
        Ok(())
    }
}

/// Whether cargo sets this variable to describe the package that it runs.
fn describes_a_package(variable: &OsStr) -> bool {
    let variable = variable.to_string_lossy();
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Whether root can run a program of that name: PATH, and the directories that an ordinary user's
/// PATH does not have.
pub(crate) fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let beyond = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(beyond)
        .any(|dir| dir.join(name).is_file())
}

/// The target triple of a compiler's host, such as `x86_64-unknown-linux-gnu`: for rustc(1), or a
/// command that ends with it.
///
/// # Errors
/// When the compiler cannot be run.
pub(crate) fn host_target(rustc: &mut Command) -> Result<String> {
    let output = rustc.arg("-vV").stdin(Stdio::null()).output();
    let output = output.context("run rustc -vV")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "rustc -vV: {}", stderr.trim());
    let version = String::from_utf8_lossy(&output.stdout);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV prints no host")?.to_owned())
}
