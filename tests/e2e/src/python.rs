//! The Python of the tests: an environment of its own with the packages of
//! `tests/programs/requirements.txt`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where `cargo xtask setup` makes it.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/tools/venv/bin/python3"
);

/// The interpreter, if it has this module and a lab can run here. `None` after printing that `test`
/// is skipped.
pub fn python(test: &str, module: &str) -> Option<PathBuf> {
    if hopspan_lab::skip(test) {
        return None;
    }
    let has_module = Command::new(PYTHON)
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if has_module {
        return Some(Path::new(PYTHON).to_owned());
    }
    hopspan_lab::print_skip(
        test,
        &format!("{PYTHON} has no {module}: `cargo xtask setup` installs it"),
    );
    None
}
