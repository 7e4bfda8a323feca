//! Other people's programs, which the lab's tests and the benchmarks run as clients, proxies and
//! servers. In: PATH, and the list of Python packages beside the tests. Out: Debian's packages
//! installed with none of their services started or enabled, and a Python environment below
//! target/tools. The lab itself needs none of it: a test whose program is missing skips itself; a
//! benchmark does not run without.

use std::fs;

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Setup;
use crate::progress::{self, note};
use crate::workspace::has_program;

/// A program, and Debian's package of it.
struct TestProgram {
    name: &'static str,
    package: &'static str,
    /// The system service that comes with the package, and must not run for the sake of a test.
    service: Option<&'static str>,
}

const PROGRAMS: [TestProgram; 6] = [
    TestProgram::new("curl", "curl", None),
    TestProgram::new("nginx", "nginx-light", Some("nginx")),
    TestProgram::new("haproxy", "haproxy", Some("haproxy")),
    // The package of the server alone: it brings no service.
    TestProgram::new("apache2", "apache2-bin", None),
    TestProgram::new("h2load", "nghttp2-client", None),
    TestProgram::new("nghttp", "nghttp2-client", None),
];

/// What the benchmarks load, load with, and are compared with.
const BENCH_PROGRAMS: [TestProgram; 4] = [
    TestProgram::new("nginx", "nginx-light", Some("nginx")),
    TestProgram::new("wrk", "wrk", None),
    TestProgram::new("h2load", "nghttp2-client", None),
    TestProgram::new("tcpdump", "tcpdump", None),
];

/// The Python packages of the tests.
const REQUIREMENTS: &str = "tests/e2e/tests/programs/requirements.txt";
/// How long apt or pip may take, on a slow network.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Installs packages, its arguments from the second on, while a policy forbids to start services
/// (invoke-rc.d(8)); then disables the services that are named in the first, so that they do not
/// start with the machine either.
const INSTALL: &str = r#"
set -eu
services=$1
shift
policy=/usr/sbin/policy-rc.d
kept=$(mktemp -d)
restore() {
    rm -f "$policy"
    if [ -e "$kept/policy" ]; then mv "$kept/policy" "$policy"; fi
    rmdir "$kept"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
if [ -e "$policy" ]; then mv "$policy" "$kept/policy"; fi
printf '#!/bin/sh\nexit 101\n' > "$policy"
chmod 755 "$policy"
DEBIAN_FRONTEND=noninteractive apt-get --quiet install --yes --no-install-recommends "$@"
for service in $services; do
    update-rc.d "$service" disable
done
"#;

/// Installs what is not there. What cannot be installed is said, and is no failure.
pub(super) fn install_missing(setup: &Setup<'_>) {
    let packages = install_packages(setup, &PROGRAMS, "the lab's tests");
    for result in [packages, install_python(setup)] {
        if let Err(error) = result {
            note(&format!(
                "set-up: {error:#}\n  the tests that need it are skipped"
            ));
        }
    }
}

/// Installs what the benchmarks need.
///
/// # Errors
/// What cannot be installed: they do not run without.
pub(super) fn install_for_bench(setup: &Setup<'_>) -> Result<()> {
    install_packages(setup, &BENCH_PROGRAMS, "the benchmarks")
}

fn install_packages(
    setup: &Setup<'_>,
    programs: &'static [TestProgram],
    purpose: &str,
) -> Result<()> {
    let missing = missing(programs, has_program);
    if missing.is_empty() {
        return Ok(());
    }
    let packages = packages(&missing);
    let names = packages.join(" ");
    if !setup.distribution.is_debian_like() {
        bail!(
            "{purpose} run the programs of {names} (Debian's names), and set-up knows no package manager of {}",
            setup.distribution.name,
        );
    }
    setup.apt().update()?;
    note(&format!(
        "set-up: installing programs for {purpose} with apt, their services switched off: {names}"
    ));
    let services: Vec<&str> = missing
        .iter()
        .filter_map(|program| program.service)
        .collect();
    let mut command = setup.privilege.command("sh")?;
    command
        .args(["-c", INSTALL, "sh", &services.join(" ")])
        .args(&packages);
    progress::run(
        &format!("installing programs for {purpose}"),
        &setup.workspace.log("apt-install-test-programs"),
        LIMIT,
        &mut command,
    )
    .with_context(|| format!("install {names}"))
}

/// Makes the virtual environment of the tests, unless it has what they want.
fn install_python(setup: &Setup<'_>) -> Result<()> {
    let requirements = setup.workspace.root().join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("read {}", requirements.display()))?;
    let venv = setup.workspace.tools().join("venv");
    // Written last, so that it says what is installed.
    let installed = venv.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|has| has == wanted) {
        return Ok(());
    }
    provide_venv(setup)?;
    note(&format!(
        "set-up: installing Python packages for the lab's tests with pip, into {}: {}",
        venv.display(),
        requirement_names(&wanted).join(" ")
    ));
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    progress::run(
        "making a Python environment",
        &setup.workspace.log("venv"),
        LIMIT,
        &mut make,
    )?;
    let mut pip = Command::new(venv.join("bin/python3"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check"])
        .arg("--requirement")
        .arg(&requirements);
    progress::run(
        "installing Python packages",
        &setup.workspace.log("pip-install"),
        LIMIT,
        &mut pip,
    )?;
    fs::write(&installed, wanted).with_context(|| format!("write {}", installed.display()))
}

/// Python with the module that makes environments, which Debian has in a package of its own.
fn provide_venv(setup: &Setup<'_>) -> Result<()> {
    let mut probe = Command::new("python3");
    probe
        .args(["-c", "import ensurepip, venv"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    if !setup.distribution.is_debian_like() {
        bail!("tests run Python programs, and there is no python3 with venv: install it by hand");
    }
    setup.apt().update()?;
    setup
        .apt()
        .install(&["python3-venv".to_owned()], "Python's venv")
}

impl TestProgram {
    const fn new(name: &'static str, package: &'static str, service: Option<&'static str>) -> Self {
        Self {
            name,
            package,
            service,
        }
    }
}

/// The programs that `is_there` denies.
fn missing(
    programs: &'static [TestProgram],
    is_there: impl Fn(&str) -> bool,
) -> Vec<&'static TestProgram> {
    programs
        .iter()
        .filter(|program| !is_there(program.name))
        .collect()
}

/// Their packages, each once.
fn packages(programs: &[&TestProgram]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = programs.iter().map(|program| program.package).collect();
    packages.dedup();
    packages
}

/// The lines of a requirements file that name a package.
fn requirement_names(requirements: &str) -> Vec<&str> {
    requirements
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        assert!(missing(&PROGRAMS, |_| true).is_empty());
        let nothing_there = missing(&PROGRAMS, |_| false);
        assert_eq!(
            packages(&nothing_there),
            [
                "curl",
                "nginx-light",
                "haproxy",
                "apache2-bin",
                "nghttp2-client"
            ]
        );
        let no_nginx = missing(&PROGRAMS, |program| program != "nginx");
        assert_eq!(packages(&no_nginx), ["nginx-light"]);
        let bench = missing(&BENCH_PROGRAMS, |program| program != "wrk");
        assert_eq!(packages(&bench), ["wrk"]);
    }

    #[test]
    fn requirements_are_pinned() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let requirements = fs::read_to_string(root.join(REQUIREMENTS)).unwrap();
        let names = requirement_names(&requirements);
        assert!(names.iter().any(|line| line.starts_with("grpcio==")));
        for line in names {
            assert!(line.contains("=="), "{line} names no version");
        }
    }
}
