//! Finds what builds eBPF programs: a Rust toolchain with the source of `core`, and a bpf-linker
//! that reads the toolchain's bitcode.
//!
//! In: the workspace directory and this process' environment. Out: a toolchain name for `rustup
//! run` with the variables to set, or what is missing. Installs nothing (that is `cargo xtask
//! setup`) and never changes the user's rustup; at most it names a toolchain under the workspace's
//! own `target/tools`.
//!
//! From a build script:
//!
//! ```no_run
//! # fn build_ebpf(_toolchain: &str) {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
//! let found = ebpf_toolchain::find(workspace)?;
//! found.apply_to_env();
//! build_ebpf(&found.toolchain.name); // aya_build::Toolchain::Custom(&found.toolchain.name)
//! # Ok(())
//! # }
//! ```

pub mod linker;
pub mod rust;
pub mod version;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use linker::Linker;
use rust::Toolchain;
use version::Version;

/// The variable that overrides the search with the name of one rustup toolchain.
pub const OVERRIDE: &str = "HOPSPAN_EBPF_TOOLCHAIN";

/// Where the project keeps the tools it installs for itself, below the workspace directory.
#[must_use]
pub fn tools_dir(workspace: &Path) -> PathBuf {
    workspace.join("target/tools")
}

/// A toolchain and a linker that work together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The compiler, nameable for `rustup run`.
    pub toolchain: Toolchain,
    /// The linker for it.
    pub linker: Linker,
}

impl Found {
    /// The variables a process needs for `rustup run NAME cargo build --target bpfel-unknown-none
    /// -Z build-std=core` to work.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, OsString)> {
        let mut vars = self.toolchain.env();
        vars.push(("PATH", self.linker.first_on_path(env::var_os("PATH"))));
        vars
    }

    /// Sets [`Found::env`] for this process, for libraries that start the compiler themselves.
    ///
    /// Only for a program with a single thread, such as a build script: the environment of a
    /// process is not synchronised.
    pub fn apply_to_env(&self) {
        for (name, value) in self.env() {
            // SAFETY: the caller has one thread, as documented above, so that nothing reads the
            // environment meanwhile.
            unsafe { env::set_var(name, value) };
        }
    }
}

/// Why this machine cannot build eBPF programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// `rustup` is not on PATH.
    Rustup,
    /// The toolchain that [`OVERRIDE`] names does not exist or does not run.
    Override {
        /// The value of the variable.
        name: String,
    },
    /// No toolchain that is new enough has the source of `core`.
    LibrarySource,
    /// There is no bpf-linker, or all of them are too old.
    Linker {
        /// The oldest LLVM version that serves a toolchain.
        needs_llvm: Version,
    },
    /// There is a bpf-linker, but its LLVM cannot read the compiler's bitcode.
    LinkerLlvm {
        /// The newest linker that was found.
        linker: PathBuf,
        /// The linker's LLVM.
        has_llvm: Version,
        /// The compiler's LLVM. The linker's must not be older.
        needs_llvm: Version,
    },
    /// rustup refused to name the toolchain under `target/tools`.
    Link {
        /// The output of rustup.
        reason: String,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = match self {
            Self::Rustup => "rustup is not on PATH".to_owned(),
            Self::Override { name } => format!(
                "{OVERRIDE} names the rustup toolchain {name:?}, which is not installed with its rust-src component"
            ),
            Self::LibrarySource => format!(
                "no Rust toolchain {} or newer with library source (rust-src) to build eBPF programs",
                rust::OLDEST,
            ),
            Self::Linker { needs_llvm } => format!(
                "no bpf-linker {} or newer with LLVM {needs_llvm} to link eBPF programs",
                linker::OLDEST,
            ),
            Self::LinkerLlvm {
                linker,
                has_llvm,
                needs_llvm,
            } => format!(
                "{} has LLVM {has_llvm}, older than LLVM {needs_llvm} of the Rust toolchain",
                linker.display(),
            ),
            Self::Link { reason } => format!("rustup cannot name the eBPF toolchain ({reason})"),
        };
        let remedy = match self {
            Self::Rustup => "install it from https://rustup.rs",
            Self::Override { .. } => {
                "unset the variable, or: rustup component add rust-src --toolchain NAME"
            }
            Self::LibrarySource
            | Self::Linker { .. }
            | Self::LinkerLlvm { .. }
            | Self::Link { .. } => "run: cargo xtask setup",
        };
        write!(f, "{missing}; {remedy}")
    }
}

impl std::error::Error for Missing {}

/// Finds a toolchain and a linker for it: the toolchain that [`OVERRIDE`] names, else the first of
/// [`rust::candidates`] that an installed bpf-linker can serve.
///
/// # Errors
/// [`Missing`] is what was not found.
pub fn find(workspace: &Path) -> Result<Found, Missing> {
    if !rust::rustup_is_there() {
        return Err(Missing::Rustup);
    }
    let candidates = match env::var(OVERRIDE) {
        Ok(name) if !name.is_empty() => match Toolchain::named(&name) {
            Some(toolchain) => vec![toolchain],
            None => return Err(Missing::Override { name }),
        },
        _ => rust::candidates(workspace),
    };
    let found = pair(candidates, linker::installed(workspace))?;
    found
        .toolchain
        .make_nameable()
        .map_err(|reason| Missing::Link { reason })?;
    Ok(found)
}

/// The first toolchain, in order of preference, with the first linker whose LLVM is not older.
fn pair(toolchains: Vec<Toolchain>, linkers: Vec<Linker>) -> Result<Found, Missing> {
    for toolchain in &toolchains {
        if let Some(linker) = linkers
            .iter()
            .find(|linker| linker.can_read(toolchain.llvm))
        {
            return Ok(Found {
                toolchain: toolchain.clone(),
                linker: linker.clone(),
            });
        }
    }
    // The toolchain with the oldest LLVM is the easiest to find a linker for.
    let Some(needs_llvm) = toolchains.iter().map(|toolchain| toolchain.llvm).min() else {
        return Err(Missing::LibrarySource);
    };
    match linkers.into_iter().max_by_key(|linker| linker.llvm) {
        Some(linker) => Err(Missing::LinkerLlvm {
            linker: linker.path,
            has_llvm: linker.llvm,
            needs_llvm,
        }),
        None => Err(Missing::Linker { needs_llvm }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain(name: &str, llvm: u32) -> Toolchain {
        Toolchain {
            name: name.to_owned(),
            sysroot: PathBuf::from("/sysroot"),
            release: Version::new(1, 96, 0),
            nightly: name == "nightly",
            llvm: Version::new(llvm, 1, 0),
            own_rustup_home: None,
        }
    }

    fn linker(path: &str, llvm: u32) -> Linker {
        Linker {
            path: PathBuf::from(path),
            release: linker::OLDEST,
            llvm: Version::new(llvm, 1, 8),
        }
    }

    #[test]
    fn preferred_toolchain_wins_when_a_linker_serves_it() {
        let found = pair(
            vec![toolchain("nightly", 22), toolchain("debian", 21)],
            vec![linker("/a", 21), linker("/b", 22)],
        );
        let found = found.unwrap();
        assert_eq!(
            (found.toolchain.name.as_str(), found.linker.path.to_str()),
            ("nightly", Some("/b"))
        );
    }

    #[test]
    fn a_toolchain_too_new_for_every_linker_is_passed_over() {
        let found = pair(
            vec![toolchain("nightly", 23), toolchain("debian", 22)],
            vec![linker("/a", 22)],
        )
        .unwrap();
        assert_eq!(found.toolchain.name, "debian");
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        let cases = [
            (
                pair(vec![], vec![linker("/a", 22)]),
                "no Rust toolchain 1.87.0 or newer",
            ),
            (
                pair(vec![toolchain("nightly", 22)], vec![]),
                "no bpf-linker 0.10.0 or newer with LLVM 22.1.0",
            ),
            (
                pair(vec![toolchain("nightly", 22)], vec![linker("/a", 20)]),
                "/a has LLVM 20.1.8, older than LLVM 22.1.0",
            ),
        ];
        for (result, expected) in cases {
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
            assert!(message.ends_with("run: cargo xtask setup"), "{message}");
        }
    }
}
