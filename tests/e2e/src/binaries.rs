//! Finds the project's binaries.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// The environment variable with the directory of `hopspan`, `hotrod` and `echo`.
const DIRECTORY_VARIABLE: &str = "HOPSPAN_BIN_DIR";

/// The path of one of the project's binaries.
///
/// # Errors
/// When it is not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let directory = match std::env::var_os(DIRECTORY_VARIABLE) {
        Some(directory) => PathBuf::from(directory),
        // target/PROFILE/deps/TEST, where cargo puts test executables.
        None => std::env::current_exe()
            .context("find this executable")?
            .ancestors()
            .nth(2)
            .context("this executable is not in a target directory")?
            .to_owned(),
    };
    let path = directory.join(name);
    ensure!(
        path.is_file(),
        "{} is not built: run `cargo build --bins` first, or set {DIRECTORY_VARIABLE}",
        path.display()
    );
    Ok(path)
}
