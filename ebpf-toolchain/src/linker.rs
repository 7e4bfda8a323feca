//! Finds bpf-linker. In: the workspace directory and PATH. Out: the linkers that run, with their
//! LLVM versions. A linker reads the bitcode of its own and of older LLVM releases.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::version::Version;

/// The oldest bpf-linker known to write BTF that aya 0.14 loads.
pub const OLDEST: Version = Version::new(0, 10, 0);

const PROGRAM: &str = "bpf-linker";

/// A bpf-linker that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linker {
    /// The executable.
    pub path: PathBuf,
    /// Its own release.
    pub release: Version,
    /// The LLVM it was linked with.
    pub llvm: Version,
}

impl Linker {
    /// The linker at `path`; `None` if it does not run or is too old.
    #[must_use]
    pub fn at(path: PathBuf) -> Option<Self> {
        let release = Version::after(PROGRAM, &stdout(Command::new(&path).arg("--version"))?)?;
        if release < OLDEST {
            return None;
        }
        // bpf-linker does not print its LLVM version, but it passes options to LLVM, whose
        // --version does.
        let llvm_version = ["--llvm-args=--version", "--output=/dev/null", "/dev/null"];
        let llvm = Version::after(
            "LLVM version ",
            &stdout(Command::new(&path).args(llvm_version))?,
        )?;
        Some(Self {
            path,
            release,
            llvm,
        })
    }

    /// Whether the linker reads the bitcode of a compiler with LLVM `compiler`. An older linker
    /// fails with `Invalid record`. The patch number never changes the format.
    #[must_use]
    pub fn can_read(&self, compiler: Version) -> bool {
        (self.llvm.major, self.llvm.minor) >= (compiler.major, compiler.minor)
    }

    /// `path` with this linker's directory in front, because the compiler looks its linker up by
    /// name.
    #[must_use]
    pub fn first_on_path(&self, path: Option<OsString>) -> OsString {
        let own = self.path.parent().map(Path::to_path_buf);
        let others = path.iter().flat_map(env::split_paths).collect::<Vec<_>>();
        // Only a directory whose name holds a colon cannot be joined; PATH is then left as it is.
        env::join_paths(own.into_iter().chain(others)).unwrap_or_else(|_| path.unwrap_or_default())
    }
}

/// The linkers that run: the project's own first, then those on PATH.
#[must_use]
pub fn installed(workspace: &Path) -> Vec<Linker> {
    let mut dirs = vec![crate::tools_dir(workspace).join("bin")];
    dirs.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in dirs.into_iter().map(|dir| dir.join(PROGRAM)) {
        if path.is_file() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths.into_iter().filter_map(Linker::at).collect()
}

/// What the command prints when it succeeds.
pub(crate) fn stdout(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(dir: &Path, body: &str) -> PathBuf {
        let path = dir.join(PROGRAM);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_linker_prints_its_release_and_its_llvm() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(
            dir.path(),
            r#"case "$1" in --version) echo bpf-linker 0.13.0;; *) echo "Debian LLVM version 22.1.8";; esac"#,
        );
        let linker = Linker::at(path).unwrap();
        assert_eq!(
            (linker.release, linker.llvm),
            (Version::new(0, 13, 0), Version::new(22, 1, 8))
        );
        assert!(linker.can_read(Version::new(22, 1, 9)));
        assert!(!linker.can_read(Version::new(23, 0, 0)));
    }

    #[test]
    fn an_old_or_broken_linker_is_ignored() {
        for body in ["echo bpf-linker 0.9.15", "exit 1", "echo something else"] {
            let dir = tempfile::tempdir().unwrap();
            assert_eq!(Linker::at(script(dir.path(), body)), None, "{body}");
        }
    }

    #[test]
    fn its_directory_comes_first_on_path() {
        let linker = Linker {
            path: "/tools/bin/bpf-linker".into(),
            release: OLDEST,
            llvm: Version::new(22, 0, 0),
        };
        assert_eq!(
            linker.first_on_path(Some("/usr/bin:/bin".into())),
            "/tools/bin:/usr/bin:/bin"
        );
        assert_eq!(linker.first_on_path(None), "/tools/bin");
    }
}
