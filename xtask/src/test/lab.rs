//! The tests that run in a lab. They are built as the user and run as root, one program after the
//! other, and the end-to-end tests one module after the other. In: how to act as root, and a
//! filter. Out: counts; without root the tests skip themselves.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::stream;
use super::suites::LAB_PACKAGES;
use super::summary::Counts;
use crate::progress::note;
use crate::sudo::Privilege;
use crate::workspace::{Profile, Workspace};

/// The packages of the agent and the applications in the lab: cargo does not build them for tests
/// of other packages.
pub(crate) const PROGRAM_PACKAGES: [&str; 3] = ["tracer-user", "hotrod", "hopspan-echo"];

/// The test program of the end-to-end tests.
pub(crate) const END_TO_END: &str = "e2e";

/// The end-to-end tests with other projects' programs.
const PROGRAMS_MODULE: &str = "programs::";

/// Its tests that run on demand only.
const PROGRAM_MATRIX: &str = "programs::matrix::";

/// The end-to-end tests with another project's back end, which run on demand only.
const BACK_END_MODULE: &str = "back_end::";

/// The end-to-end test that takes as long as is asked, on demand only.
const SOAK_MODULE: &str = "soak::";

/// Which modules' tests run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Modules {
    /// All, but those on demand.
    #[default]
    All,
    /// Those with other projects' programs.
    Programs,
    /// Those with another project's back end.
    BackEnd,
    /// The soak.
    Soak,
}

/// Which of the lab's tests run.
#[derive(Debug, Default)]
pub(super) struct Selection<'a> {
    /// Text in the path of each.
    pub(super) filter: Option<&'a str>,
    pub(super) modules: Modules,
    /// Also the tests that run on demand only.
    pub(super) program_matrix: bool,
    /// `NAME=value` for the tests.
    pub(super) environment: &'a [String],
}

impl Selection<'_> {
    fn has(&self, test: &str) -> bool {
        let is_in_a_module = match self.modules {
            Modules::All => ![BACK_END_MODULE, SOAK_MODULE]
                .iter()
                .any(|module| test.starts_with(module)),
            Modules::Programs => test.starts_with(PROGRAMS_MODULE),
            Modules::BackEnd => test.starts_with(BACK_END_MODULE),
            Modules::Soak => test.starts_with(SOAK_MODULE),
        };
        is_in_a_module
            && test.contains(self.filter.unwrap_or_default())
            && (self.program_matrix || !test.starts_with(PROGRAM_MATRIX))
    }
}

/// A compiled test program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) executable: PathBuf,
    /// The directory in which cargo runs it.
    package_dir: PathBuf,
}

/// Builds and runs the lab's tests.
///
/// # Errors
/// When they, or the programs they run in the lab, do not build.
pub(super) fn run(
    workspace: &Workspace,
    privilege: &Privilege,
    selection: &Selection<'_>,
) -> Result<Counts> {
    let mut counts = Counts::default();
    for program in build(workspace)? {
        for (module, tests) in modules(&program, selection)? {
            note(&format!(
                "     Running {} {module}",
                program.executable.display()
            ));
            let mut command = command(&program, privilege, selection.environment, &tests)?;
            counts = counts.and(stream::run(&mut command)?);
        }
    }
    Ok(counts)
}

/// Builds the lab's tests, and the programs that they run in the lab.
///
/// # Errors
/// When one of them does not build.
pub(super) fn build(workspace: &Workspace) -> Result<Vec<Program>> {
    workspace.build(Profile::Dev, &PROGRAM_PACKAGES)?;
    build_tests(workspace)
}

/// The selected tests of a program, by the module whose tests run together.
/// Only the end-to-end tests have modules, because some of them measure and must run alone.
///
/// # Errors
/// When the program does not list its tests.
fn modules(program: &Program, selection: &Selection<'_>) -> Result<BTreeMap<String, Vec<String>>> {
    let mut modules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let tests = tests(program)?.into_iter();
    for test in tests.filter(|test| selection.has(test)) {
        let module = match test.split_once("::") {
            Some((module, _)) if program.name == END_TO_END => module,
            _ => "",
        };
        let tests = modules.entry(module.to_owned()).or_default();
        tests.push(test);
    }
    Ok(modules)
}

/// All tests of a program.
///
/// # Errors
/// When it does not list them.
pub(super) fn tests(program: &Program) -> Result<Vec<String>> {
    let mut list = Command::new(&program.executable);
    let output = list.args(["--list", "--format", "terse"]).output();
    let output = output.with_context(|| format!("list the tests of {}", program.name))?;
    let output = String::from_utf8_lossy(&output.stdout);
    let tests = output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(tests.map(str::to_owned).collect())
}

/// Compiles the test programs; where they are.
///
/// # Errors
/// When they do not build.
pub(crate) fn build_tests(workspace: &Workspace) -> Result<Vec<Program>> {
    let mut cargo = workspace.cargo([
        "test",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    cargo.args(
        LAB_PACKAGES
            .iter()
            .flat_map(|package| ["--package", package]),
    );
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .context("run cargo test --no-run")?;
    let stdout = child.stdout.take().context("read from cargo")?;
    let mut programs = Vec::new();
    for line in BufReader::new(stdout).lines() {
        programs.extend(test_program(&line.context("read from cargo")?));
    }
    let status = child.wait().context("wait for cargo")?;
    if !status.success() {
        bail!("cargo test --no-run: {status}");
    }
    Ok(programs)
}

/// The test program in one of cargo's JSON messages, if it is about one.
fn test_program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    if !message["profile"]["test"].as_bool()? {
        return None;
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    Some(Program {
        name: message["target"]["name"].as_str()?.to_owned(),
        executable: message["executable"].as_str()?.into(),
        package_dir: manifest.parent()?.to_owned(),
    })
}

/// Runs tests of the program as root where possible, else as this user.
pub(super) fn command(
    program: &Program,
    privilege: &Privilege,
    environment: &[String],
    tests: &[String],
) -> Result<Command> {
    // sudo does not pass the environment on.
    let mut command = match privilege {
        Privilege::Root | Privilege::Sudo => privilege.command("env")?,
        Privilege::None { .. } => Command::new("env"),
    };
    command
        .args(environment)
        .arg(&program.executable)
        .args(["--show-output", "--exact"])
        .args(tests)
        .current_dir(&program.package_dir);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_in_cargos_messages() {
        let test = r#"{"reason":"compiler-artifact","manifest_path":"/w/tests/lab/Cargo.toml","target":{"name":"lab"},"profile":{"test":true},"executable":"/t/lab-1a"}"#;
        let expected = Program {
            name: "lab".to_owned(),
            executable: "/t/lab-1a".into(),
            package_dir: "/w/tests/lab".into(),
        };
        assert_eq!(test_program(test), Some(expected));
        let others = [
            r#"{"reason":"compiler-artifact","manifest_path":"/w/tests/lab/Cargo.toml","profile":{"test":false},"executable":"/t/hopspan-lab"}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/w/tests/lab/Cargo.toml","profile":{"test":true},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "no JSON",
        ];
        for message in others {
            assert_eq!(test_program(message), None, "{message}");
        }
    }

    #[test]
    fn some_modules_run_on_demand_only() {
        let tests = [
            "programs::curl",
            "programs::matrix::every",
            "hooks::matrix",
            "back_end::reads_back",
            "soak::nothing_grows",
        ];
        let check = |modules, program_matrix, filter, expected: &[&str]| {
            let selection = Selection {
                filter,
                modules,
                program_matrix,
                environment: &[],
            };
            let selected = tests.into_iter().filter(|test| selection.has(test));
            assert_eq!(selected.collect::<Vec<_>>(), expected, "{selection:?}");
        };
        check(Modules::All, false, None, &[tests[0], tests[2]]);
        check(Modules::Programs, false, None, &tests[..1]);
        check(Modules::Programs, true, None, &tests[..2]);
        check(Modules::Programs, true, Some("matrix"), &tests[1..2]);
        check(Modules::BackEnd, false, None, &tests[3..4]);
        check(Modules::Soak, false, None, &tests[4..]);
        check(Modules::BackEnd, false, Some("hooks"), &[]);
    }

    #[test]
    fn tests_run_in_their_package_and_as_root_where_possible() {
        let program = Program {
            name: "lab".to_owned(),
            executable: "/t/lab-1a".into(),
            package_dir: "/w/tests/lab".into(),
        };
        let none = Privilege::none("no sudo");
        let cases = [
            (Privilege::Sudo, "sudo"),
            (Privilege::Root, "env"),
            (none, "env"),
        ];
        for (privilege, expected) in cases {
            let environment = ["SECONDS=60".to_owned()];
            let tests = ["half_close".to_owned()];
            let command = command(&program, &privilege, &environment, &tests).unwrap();
            assert_eq!(command.get_program(), expected);
            assert_eq!(command.get_current_dir(), Some(Path::new("/w/tests/lab")));
            let arguments: Vec<_> = command.get_args().collect();
            let expected = [
                "SECONDS=60",
                "/t/lab-1a",
                "--show-output",
                "--exact",
                "half_close",
            ];
            assert!(
                arguments.ends_with(&expected.map(AsRef::as_ref)),
                "{arguments:?}"
            );
        }
    }
}
