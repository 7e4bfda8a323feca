//! Builds the targets. In: the workspace. Out: programs with sanitizer coverage, and the paths of
//! their files. Installs cargo-fuzz into target/tools; never a toolchain, which is the user's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::target::Target;
use crate::progress::{self, note};
use crate::workspace::{Workspace, has_program, host_target};

/// The release of cargo-fuzz that is installed.
const PINNED: &str = "0.13.2";

/// The toolchain: only nightly has the flags of sanitizer coverage.
const NIGHTLY: &str = "nightly";

const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);
const BUILD_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A nightly toolchain and cargo-fuzz.
#[derive(Debug)]
pub(super) struct Tools {
    root: PathBuf,
    cargo_fuzz: PathBuf,
    /// `target/fuzz`.
    directory: PathBuf,
    /// The target triple of nightly's host, for which cargo-fuzz builds.
    host: String,
    build_log: PathBuf,
}

impl Tools {
    /// Finds both; installs cargo-fuzz when it is missing.
    ///
    /// # Errors
    /// When there is no nightly toolchain or no C++ compiler, or cargo-fuzz cannot be installed.
    pub(super) fn get(workspace: &Workspace) -> Result<Self> {
        let host = nightly_host()?;
        if !has_program("c++") {
            bail!(
                "c++ is not on PATH, and libFuzzer is C++\n  install a C++ compiler: apt install g++"
            );
        }
        let cargo_fuzz = workspace.tools().join("bin/cargo-fuzz");
        if !cargo_fuzz.is_file() {
            install(workspace)?;
        }
        Ok(Self {
            root: workspace.root().to_owned(),
            cargo_fuzz,
            directory: workspace.target_dir()?.join("fuzz"),
            host,
            build_log: workspace.log("fuzz-build"),
        })
    }

    /// Builds the targets, with AddressSanitizer, coverage, overflow checks and debug assertions.
    ///
    /// # Errors
    /// When one does not compile.
    pub(super) fn build(&self, targets: &[Target]) -> Result<()> {
        for target in targets {
            let mut build = self.cargo_fuzz("build");
            let name = target.name();
            build.arg(&name);
            let what = format!("building fuzz target {name}");
            progress::run(&what, &self.build_log, BUILD_LIMIT, &mut build)?;
        }
        Ok(())
    }

    /// The target's program.
    pub(super) fn program(&self, target: Target) -> Command {
        let programs = self.build_directory().join(&self.host).join("release");
        Command::new(programs.join(target.name()))
    }

    /// The directory of the target's inputs.
    pub(super) fn corpus(&self, target: Target) -> PathBuf {
        self.directory.join("corpus").join(target.name())
    }

    /// The directory of the inputs that crashed the target.
    pub(super) fn crashes(&self, target: Target) -> PathBuf {
        self.directory.join("crashes").join(target.name())
    }

    /// The file with the output of the target's last run.
    pub(super) fn log(&self, target: Target) -> PathBuf {
        self.directory.join(format!("{}.log", target.name()))
    }

    /// The file with words for the target, where it has any.
    pub(super) fn dictionary(&self, target: Target) -> Option<PathBuf> {
        let name = format!("{}.dict", target.name());
        target
            .has_dictionary()
            .then(|| self.root.join("fuzz/dictionaries").join(name))
    }

    /// Command lines that run the target on one input, and that make the input smaller.
    pub(super) fn reproduce(&self, target: Target, input: &Path) -> [String; 2] {
        let command = |subcommand: &str, seconds: &str| {
            let this = self.cargo_fuzz(subcommand);
            let words = std::iter::once(this.get_program()).chain(this.get_args());
            let words: Vec<_> = words.map(|word| word.display().to_string()).collect();
            let words = words.join(" ");
            format!("{words} {} {}{seconds}", target.name(), input.display())
        };
        [
            command("run", ""),
            command("tmin", " -- -max_total_time=60"),
        ]
    }

    fn build_directory(&self) -> PathBuf {
        self.directory.join("build")
    }

    fn cargo_fuzz(&self, subcommand: &str) -> Command {
        let mut command = Command::new("rustup");
        command.args(["run", NIGHTLY]).arg(&self.cargo_fuzz);
        command.args([subcommand, "--fuzz-dir"]);
        command.arg(self.root.join("fuzz"));
        command.args(["--target", &self.host]);
        command.arg("--target-dir").arg(self.build_directory());
        // CARGO names the cargo that runs this program, of another toolchain.
        command.env_remove("CARGO").current_dir(&self.root);
        command
    }
}

/// The target triple of nightly's host.
fn nightly_host() -> Result<String> {
    let mut rustc = Command::new("rustup");
    rustc.args(["run", NIGHTLY, "rustc"]);
    host_target(&mut rustc).with_context(|| {
        format!(
            "there is no {NIGHTLY} toolchain, and libFuzzer needs its sanitizer coverage\n  \
             rustup toolchain install {NIGHTLY} --profile minimal"
        )
    })
}

fn install(workspace: &Workspace) -> Result<()> {
    let tools = workspace.tools();
    note(&format!(
        "fuzz: installing cargo-fuzz {PINNED} by cargo, in {}",
        tools.display()
    ));
    fs::create_dir_all(&tools).with_context(|| format!("create {}", tools.display()))?;
    let mut install = workspace.cargo(["install", "cargo-fuzz", "--version", PINNED, "--locked"]);
    install.arg("--root").arg(&tools);
    progress::run(
        "building cargo-fuzz",
        &workspace.log("cargo-fuzz"),
        INSTALL_LIMIT,
        &mut install,
    )
}
