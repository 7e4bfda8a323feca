//! Where the binaries are.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// Names the directory of `hopspan` and `hotrod`.
const DIRECTORY: &str = "HOPSPAN_BIN_DIR";

/// The path of one of the project's binaries.
///
/// # Errors
/// When it is not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let directory = match std::env::var_os(DIRECTORY) {
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
        "{} is not built: run `cargo build --bins` first, or set {DIRECTORY}",
        path.display()
    );
    Ok(path)
}
