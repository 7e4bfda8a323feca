//! Builds the targets. In: the workspace. Out: programs with sanitizer coverage, and the paths of
//! their files. Cargo and a C++ compiler are enough: the coverage is an LLVM pass that the stable
//! compiler has.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::target::Target;
use crate::progress;
use crate::workspace::{Workspace, has_program, host_target};

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What libFuzzer reads of a program: which edges an input takes, and what it compares. Source: LLVM's
/// documentation of SanitizerCoverage; the flags are those of cargo-fuzz, without a sanitizer,
/// because the code under test has no unsafe.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Where the targets and their files are.
#[derive(Debug)]
pub(super) struct Tools {
    /// `fuzz`, in the checkout.
    sources: PathBuf,
    /// `target/fuzz`.
    directory: PathBuf,
    /// The target triple of the host. With one, cargo builds programs that run at build time without
    /// the flags.
    host: String,
    build_log: PathBuf,
}

impl Tools {
    /// Finds the directories.
    ///
    /// # Errors
    /// When there is no C++ compiler.
    pub(super) fn get(workspace: &Workspace) -> Result<Self> {
        if !has_program("c++") {
            bail!(
                "c++ is not on PATH, and libFuzzer is C++\n  install a C++ compiler: apt install g++"
            );
        }
        Ok(Self {
            sources: workspace.fuzz(),
            directory: workspace.target_dir()?.join("fuzz"),
            host: host_target(&mut Command::new("rustc"))?,
            build_log: workspace.log("fuzz-build"),
        })
    }

    /// Builds the targets, with overflow checks and debug assertions.
    ///
    /// # Errors
    /// When one does not compile.
    pub(super) fn build(&self, workspace: &Workspace, targets: &[Target]) -> Result<()> {
        let mut cargo = workspace.cargo(["build", "--release", "--locked", "--target", &self.host]);
        cargo
            .args(
                targets
                    .iter()
                    .map(|target| format!("--bin={}", target.name())),
            )
            .arg("--target-dir")
            .arg(self.build_directory())
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
            .current_dir(&self.sources);
        progress::run(
            "building fuzz targets",
            &self.build_log,
            BUILD_LIMIT,
            &mut cargo,
        )
    }

    /// The target's program.
    pub(super) fn program(&self, target: Target) -> Command {
        let programs = self.build_directory().join(&self.host).join("release");
        Command::new(programs.join(target.name()))
    }

    /// The directory of the target's inputs, which grows from run to run.
    pub(super) fn corpus(&self, target: Target) -> PathBuf {
        self.directory.join("corpus").join(target.name())
    }

    /// The directory of the inputs that are kept in the checkout.
    pub(super) fn kept_corpus(&self, target: Target) -> PathBuf {
        self.sources.join("corpus").join(target.name())
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
            .then(|| self.sources.join("dictionaries").join(name))
    }

    /// Command lines that run the target on one input, and that make the input smaller.
    pub(super) fn reproduce(&self, target: Target, input: &Path) -> [String; 2] {
        let program = self.program(target);
        let command = |options: &[&str]| {
            let options = options.iter().map(OsStr::new);
            let words = std::iter::once(program.get_program()).chain(options);
            let words: Vec<_> = words.map(|word| word.display().to_string()).collect();
            format!("{} {}", words.join(" "), input.display())
        };
        [
            command(&[]),
            command(&["-minimize_crash=1", "-max_total_time=60"]),
        ]
    }

    fn build_directory(&self) -> PathBuf {
        self.directory.join("build")
    }
}
