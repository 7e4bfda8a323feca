//! Finds Rust toolchains with the source of `core`, from which the eBPF target is built. In:
//! rustup's directory and the distribution's compiler. Out: toolchains, best first, each with a
//! name that `rustup run` accepts. Knows no linkers, and installs nothing.

use std::cmp::Reverse;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::linker::stdout;
use crate::version::Version;

/// The oldest compiler that aya-ebpf 0.2 builds with (its `rust-version`).
pub const OLDEST: Version = Version::new(1, 87, 0);

/// The name of the distribution's compiler in the project's own rustup directory.
pub const DISTRIBUTION_NAME: &str = "hopspan-ebpf";

/// A Rust toolchain with library source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The name for `rustup run`.
    pub name: String,
    /// Its root: the compiler is in `bin`, the library source below `lib/rustlib/src`.
    pub sysroot: PathBuf,
    /// The compiler's release.
    pub release: Version,
    /// Whether the compiler allows unstable options without `RUSTC_BOOTSTRAP`.
    pub nightly: bool,
    /// The compiler's LLVM.
    pub llvm: Version,
    /// The rustup directory with `name`, if that is not the user's own.
    pub own_rustup_home: Option<PathBuf>,
}

impl Toolchain {
    /// The rustup toolchain of that name, if it is there and has library source.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        // Otherwise rustup downloads a missing toolchain, which takes minutes.
        let mut rustc = Command::new("rustup");
        rustc
            .args(["run", name, "rustc", "--print", "sysroot"])
            .env("RUSTUP_AUTO_INSTALL", "0");
        let sysroot = stdout(&mut rustc)?;
        Self::at(name, Path::new(sysroot.trim()))
    }

    /// The toolchain whose root is `sysroot`; `None` when it has no library source, does not run or
    /// is too old.
    fn at(name: &str, sysroot: &Path) -> Option<Self> {
        if !sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
            return None;
        }
        let verbose = stdout(Command::new(sysroot.join("bin/rustc")).arg("-vV"))?;
        let release = Version::after("\nrelease:", &verbose)?;
        (release >= OLDEST).then_some(Self {
            name: name.to_owned(),
            sysroot: sysroot.to_owned(),
            release,
            nightly: verbose.contains("-nightly") || verbose.contains("-dev"),
            llvm: Version::after("\nLLVM version:", &verbose)?,
            own_rustup_home: None,
        })
    }

    /// The variables that make `rustup run NAME cargo -Z build-std=core` work.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, OsString)> {
        let mut vars = Vec::new();
        if let Some(home) = &self.own_rustup_home {
            vars.push(("RUSTUP_HOME", home.clone().into_os_string()));
        }
        if !self.nightly {
            // aya-build passes the unstable option build-std, which a stable compiler accepts only
            // with this.
            vars.push(("RUSTC_BOOTSTRAP", "1".into()));
        }
        vars
    }

    /// Whether the toolchain has clippy.
    #[must_use]
    pub fn has_clippy(&self) -> bool {
        self.sysroot.join("bin/cargo-clippy").is_file()
    }

    /// Links `name` in the project's own rustup directory, if it is not a toolchain of the user's
    /// rustup.
    pub(crate) fn make_nameable(&self) -> Result<(), String> {
        let Some(home) = &self.own_rustup_home else {
            return Ok(());
        };
        let known = home.join("toolchains").join(&self.name);
        if known == self.sysroot || fs::read_link(&known).is_ok_and(|target| target == self.sysroot)
        {
            return Ok(());
        }
        let link = Command::new("rustup")
            .args(["toolchain", "link", &self.name])
            .arg(&self.sysroot)
            .env("RUSTUP_HOME", home)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("run rustup: {error}"))?;
        if link.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&link.stderr).trim().to_owned())
    }
}

/// Whether `rustup` can be run.
#[must_use]
pub fn rustup_is_there() -> bool {
    env::var_os("PATH")
        .iter()
        .flat_map(env::split_paths)
        .any(|dir| dir.join("rustup").is_file())
}

/// The project's own rustup directory, where set-up puts what it fetches and where the
/// distribution's compiler is named.
#[must_use]
pub fn own_rustup_home(workspace: &Path) -> PathBuf {
    crate::tools_dir(workspace).join("rustup")
}

/// Every usable toolchain, best first: the user's (nightly before stable, newer before older), the
/// one that set-up has fetched, the distribution's.
#[must_use]
pub fn candidates(workspace: &Path) -> Vec<Toolchain> {
    let mut found = rustup_home().map_or_else(Vec::new, |home| below(&home));
    let own = own_rustup_home(workspace);
    for toolchain in below(&own) {
        if toolchain.name != DISTRIBUTION_NAME {
            let own_rustup_home = Some(own.clone());
            found.push(Toolchain {
                own_rustup_home,
                ..toolchain
            });
        }
    }
    found.extend(distribution(workspace, Path::new("/usr")));
    found
}

/// The toolchains of a rustup directory that have library source.
fn below(rustup_home: &Path) -> Vec<Toolchain> {
    let Ok(entries) = fs::read_dir(rustup_home.join("toolchains")) else {
        return Vec::new();
    };
    let mut found: Vec<Toolchain> = entries
        .flatten()
        .filter_map(|entry| Toolchain::at(entry.file_name().to_str()?, &entry.path()))
        .collect();
    found.sort_by_key(|toolchain| {
        (
            Reverse(toolchain.nightly),
            Reverse(toolchain.release),
            toolchain.name.clone(),
        )
    });
    found
}

/// The distribution's compiler (Debian: rustc-web, cargo-web and rust-web-src), which is not one of
/// rustup's.
fn distribution(workspace: &Path, sysroot: &Path) -> Option<Toolchain> {
    if !sysroot.join("bin/cargo").is_file() {
        return None;
    }
    let toolchain = Toolchain::at(DISTRIBUTION_NAME, sysroot)?;
    let own_rustup_home = Some(own_rustup_home(workspace));
    Some(Toolchain {
        own_rustup_home,
        ..toolchain
    })
}

/// The user's rustup directory, by rustup's own rule: `RUSTUP_HOME`, else `.rustup` in the home
/// directory.
fn rustup_home() -> Option<PathBuf> {
    env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".rustup")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A toolchain directory whose rustc prints what a real one prints.
    fn install(root: &Path, release: &str, with_source: bool) {
        let bin = root.join("bin");
        fs::create_dir_all(&bin).unwrap();
        let text = format!(
            "#!/bin/sh\nprintf 'rustc {release} (abc)\\nrelease: {release}\\nLLVM version: 22.1.4\\n'\n"
        );
        for program in ["rustc", "cargo"] {
            fs::write(bin.join(program), &text).unwrap();
            fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        if with_source {
            fs::create_dir_all(root.join("lib/rustlib/src/rust/library/core")).unwrap();
        }
    }

    #[test]
    fn nightly_comes_first_and_source_is_required() {
        let home = tempfile::tempdir().unwrap();
        let toolchains = home.path().join("toolchains");
        install(&toolchains.join("stable"), "1.95.0", true);
        install(&toolchains.join("1.90.0"), "1.90.0", true);
        install(&toolchains.join("nightly"), "1.94.0-nightly", true);
        install(&toolchains.join("beta"), "1.98.0-beta.1", false);
        install(&toolchains.join("1.80.0"), "1.80.0", true);
        let names: Vec<String> = below(home.path())
            .into_iter()
            .map(|toolchain| toolchain.name)
            .collect();
        assert_eq!(names, ["nightly", "stable", "1.90.0"]);
    }

    #[test]
    fn only_a_stable_compiler_needs_rustc_bootstrap() {
        let home = tempfile::tempdir().unwrap();
        install(
            &home.path().join("toolchains/nightly"),
            "1.94.0-nightly",
            true,
        );
        install(&home.path().join("toolchains/stable"), "1.95.0", true);
        let env: Vec<_> = below(home.path()).iter().map(Toolchain::env).collect();
        assert_eq!(env, [vec![], vec![("RUSTC_BOOTSTRAP", "1".into())]]);
    }

    #[test]
    fn the_distributions_compiler_gets_a_rustup_directory_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        install(root.path(), "1.96.0", true);
        let toolchain = distribution(Path::new("/ws"), root.path()).unwrap();
        assert_eq!(toolchain.name, DISTRIBUTION_NAME);
        assert!(
            toolchain
                .env()
                .contains(&("RUSTUP_HOME", "/ws/target/tools/rustup".into()))
        );
    }

    #[test]
    fn a_fetched_toolchain_is_found_in_the_projects_own_directory() {
        let workspace = tempfile::tempdir().unwrap();
        let home = own_rustup_home(workspace.path());
        install(&home.join("toolchains/1.96.0"), "1.96.0", true);
        install(
            &home.join("toolchains").join(DISTRIBUTION_NAME),
            "1.96.0",
            true,
        );
        let own: Vec<Toolchain> = candidates(workspace.path())
            .into_iter()
            .filter(|toolchain| toolchain.sysroot.starts_with(workspace.path()))
            .collect();
        assert_eq!(own.len(), 1, "{own:?}");
        assert_eq!(
            (own[0].name.as_str(), own[0].own_rustup_home.as_ref()),
            ("1.96.0", Some(&home))
        );
        assert_eq!(own[0].make_nameable(), Ok(()));
    }

    #[test]
    fn a_rustup_directory_that_is_not_there_has_no_toolchains() {
        assert!(below(Path::new("/nonexistent")).is_empty());
    }
}
