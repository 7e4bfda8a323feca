//! The Python environments of the tests. In: a list of packages beside the tests. Out: a virtual
//! environment with these packages, below target/tools.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::apt::Apt;
use crate::progress::{self, note};
use crate::workspace::Workspace;

/// An environment, and the packages in it.
#[derive(Debug)]
pub(super) struct Environment {
    /// Its directory in target/tools.
    directory: &'static str,
    /// The list of Python packages, one a line, each with its version.
    requirements: &'static str,
}

/// For every run of the lab's tests.
pub(super) const TESTS: Environment = Environment {
    directory: "venv",
    requirements: "tests/e2e/tests/programs/requirements.txt",
};
/// For the matrix of programs only.
pub(super) const PROGRAM_MATRIX: Environment = Environment {
    directory: "venv-programs",
    requirements: "tests/e2e/tests/programs/matrix/requirements.txt",
};
/// For the test with another project's back end only: it has more than a hundred packages.
pub(super) const BACK_END: Environment = Environment {
    directory: "venv-back-end",
    requirements: "tests/e2e/tests/back_end/requirements.txt",
};

/// For pip, on a slow network or a busy machine: the back end took 33 minutes on one that was
/// compiling elsewhere, and 2 minutes of processor time.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Makes an environment, unless it has the packages of the list.
///
/// # Errors
/// When Python or pip fails; the message has the end of its output.
pub(super) fn install(
    workspace: &Workspace,
    apt: &Apt<'_>,
    environment: &Environment,
) -> Result<()> {
    let requirements = workspace.root().join(environment.requirements);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("read {}", requirements.display()))?;
    let venv = workspace.tools().join(environment.directory);
    // Written last, so that it lists what is installed.
    let installed = venv.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|has| has == wanted) {
        return Ok(());
    }
    if !can_make_environments() {
        apt.install(&["python3-venv"], "Python's venv")?;
    }
    note(&format!(
        "set-up: installing the Python packages of {} with pip, into {}",
        environment.requirements,
        venv.display()
    ));
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    let log = workspace.log("venv");
    progress::run("making a Python environment", &log, LIMIT, &mut make)?;
    let mut pip = Command::new(venv.join("bin/python3"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check"])
        .arg("--requirement")
        .arg(&requirements);
    let log = workspace.log("pip-install");
    progress::run("installing Python packages", &log, LIMIT, &mut pip)?;
    fs::write(&installed, wanted).with_context(|| format!("write {}", installed.display()))
}

/// Debian has the modules for environments in a package of their own.
fn can_make_environments() -> bool {
    let mut probe = Command::new("python3");
    probe.args(["-c", "import ensurepip, venv"]);
    let status = probe
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_package_has_a_pinned_version() {
        let root = Workspace::new().unwrap().root().to_owned();
        for (environment, package) in [
            (TESTS, "grpcio=="),
            (PROGRAM_MATRIX, "httpx=="),
            (BACK_END, "arize-phoenix=="),
        ] {
            let list = fs::read_to_string(root.join(environment.requirements)).unwrap();
            let mut packages = list.lines().filter(|line| !line.starts_with('#'));
            assert!(packages.clone().any(|line| line.starts_with(package)));
            assert!(packages.all(|line| line.is_empty() || line.contains("==")));
        }
    }
}
