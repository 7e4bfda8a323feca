//! Whether the programs of a test are installed here.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Where `cargo xtask test` puts Python's packages.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/tools/venv/bin/python3"
);

/// True when a test cannot run, after printing `SKIP <test>: <reason>` past the harness's capture.
pub(crate) fn skip(test: &str, programs: &[&str]) -> bool {
    if hopspan_lab::skip(test) {
        return true;
    }
    let Some(missing) = programs.iter().find(|program| find(program).is_none()) else {
        return false;
    };
    say_skipped(
        test,
        &format!("{missing} is not on PATH: `cargo xtask test lab` installs it"),
    );
    true
}

/// The Python that has gRPC, or nothing after printing that `test` is skipped.
pub(crate) fn python(test: &str) -> Option<PathBuf> {
    if skip(test, &[]) {
        return None;
    }
    let python = Path::new(PYTHON);
    if !python.is_file() {
        say_skipped(
            test,
            &format!("{PYTHON} does not exist: `cargo xtask test lab` makes it"),
        );
        return None;
    }
    Some(python.to_owned())
}

/// A program on PATH, or where administrators' programs are.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

fn say_skipped(test: &str, reason: &str) {
    // A closed standard output is no reason to fail the test.
    let _ = writeln!(io::stdout(), "\nSKIP {test}: {reason}");
}
