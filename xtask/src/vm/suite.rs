//! The tests that run in a guest. In: the test programs, a kernel. Out: a row of the table: what
//! passed, and what the agent saw. The programs are built here, and the guest runs them from this
//! machine's file system.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::accel::Accel;
use super::guest::{Guest, WORK_DIR};
use super::image::Image;
use crate::progress;
use crate::test::lab::{self, END_TO_END, Program};
use crate::workspace::{Profile, Workspace};

/// Modules of the end-to-end tests, and a filter of their tests: those with thousands of requests
/// take too long in an emulated guest.
const TESTS: [(&str, &str); 5] = [
    ("dispatch", "dispatch::one_dispatch"),
    ("hooks", "hooks::"),
    ("upgrade", "upgrade::"),
    ("agent_end", "agent_end::"),
    (
        "translation",
        "translation::bridge_iptables translation::routed_iptables",
    ),
];

/// For one module in the guest; they take seconds.
const TEST_LIMIT: Duration = Duration::from_secs(180);
/// For all of them, and the boot.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The tests to run.
#[derive(Debug)]
pub(super) struct Suite {
    end_to_end: Program,
    /// The agent and the application, which the tests run.
    under_test: [PathBuf; 2],
}

/// The result on one kernel.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) release: String,
    pub(super) took: Duration,
    /// Each module, and whether its tests passed.
    pub(super) passed: Vec<(&'static str, bool)>,
    /// What the agent saw, where a test printed it.
    pub(super) seen: Option<Seen>,
}

/// The `SEEN` line of a test (hopspan-e2e, seen.rs).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) attached: Vec<String>,
    /// Hooks by the reason why they are not attached.
    pub(super) missing: BTreeMap<String, Vec<String>>,
    pub(super) exchanges: u64,
    pub(super) hops: Vec<String>,
}

impl Suite {
    /// Builds the tests, and the programs that they run.
    ///
    /// # Errors
    /// When something does not build.
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        workspace.build(Profile::Dev, &lab::PROGRAM_PACKAGES)?;
        let mut programs = lab::build_tests(workspace)?.into_iter();
        let end_to_end = programs.find(|program| program.name == END_TO_END);
        let end_to_end = end_to_end.context("cargo built no end-to-end tests")?;
        let dir = workspace.binaries(Profile::Dev)?;
        Ok(Self {
            end_to_end,
            under_test: ["hopspan", "hotrod"].map(|name| dir.join(name)),
        })
    }

    /// Runs all on one kernel. The row contains tests that fail, and stderr the end of their
    /// output.
    ///
    /// # Errors
    /// When the guest does not run its script to the end.
    pub(super) fn run(&self, image: &Image, accel: Accel) -> Result<Row> {
        let started = Instant::now();
        let guest = Guest::new(image, accel, "run")?;
        let what = format!("running the end-to-end tests on {}", image.release());
        guest.run(&what, &self.script(), LIMIT)?;
        let mut row = Row {
            release: image.release().to_owned(),
            took: started.elapsed(),
            ..Row::default()
        };
        for (name, _) in TESTS {
            let log = guest.work_dir().join(format!("{name}.log"));
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let status = fs::read_to_string(guest.work_dir().join(format!("{name}.status")));
            let passed = has_passed(&status.unwrap_or_default(), &text);
            if !passed {
                eprintln!(
                    "{name} failed on {}:\n{}",
                    row.release,
                    progress::tail(&log)
                );
                eprintln!("  full output: {}", log.display());
            }
            row.passed.push((name, passed));
            row.seen = row.seen.or_else(|| text.lines().find_map(seen));
        }
        Ok(row)
    }

    /// Runs each module, one test at a time because an emulated guest is slow. Writes the
    /// output and the status of each to files, and copies the logs of labs that failed.
    fn script(&self) -> String {
        let mut script = format!(
            "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
             export LANG=C.UTF-8\n\
             cd {WORK_DIR}\n"
        );
        // Reads the programs into the guest's memory: otherwise the first use of each page of a
        // program waits for the host's file system, and tests measure times.
        for program in &self.under_test {
            script += &format!("cat {} > /dev/null\n", quoted(program));
        }
        for (name, filter) in TESTS {
            script += &format!(
                "timeout {} {} --test-threads 1 --show-output --color never {filter} > {name}.log 2>&1\n\
                 echo $? > {name}.status\n",
                TEST_LIMIT.as_secs(),
                quoted(&self.end_to_end.executable),
            );
        }
        script + "cp -r /tmp/hopspan-lab-* . 2>/dev/null\nexit 0\n"
    }
}

impl Row {
    /// Whether all tests passed, and the agent saw something.
    pub(super) fn is_success(&self) -> bool {
        self.seen.is_some() && self.passed.iter().all(|(_, passed)| *passed)
    }
}

/// The harness counts a test that skips itself as passed; here that is a failure.
fn has_passed(status: &str, log: &str) -> bool {
    let has_skipped = log.lines().any(|line| line.trim().starts_with("SKIP "));
    status.trim() == "0" && !has_skipped
}

fn seen(line: &str) -> Option<Seen> {
    let seen: Value = serde_json::from_str(line.strip_prefix("SEEN ")?).ok()?;
    let names = |value: &Value| -> Option<Vec<String>> {
        let names = value.as_array()?.iter();
        names.map(|name| Some(name.as_str()?.to_owned())).collect()
    };
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (hook, reason) in seen["missing"].as_object()? {
        let hooks = missing.entry(reason.as_str()?.to_owned()).or_default();
        hooks.push(hook.clone());
    }
    Some(Seen {
        attached: names(&seen["attached"])?,
        missing,
        exchanges: seen["exchanges"].as_u64()?,
        hops: names(&seen["hops"])?,
    })
}

/// The path, quoted for the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_has_not_passed() {
        let cases = [
            ("0\n", "test a ... ok", true),
            ("0\n", "test a ... \nSKIP a: no CAP_NET_ADMIN\nok", false),
            ("101\n", "test a ... FAILED", false),
            ("", "", false),
        ];
        for (status, log, expected) in cases {
            assert_eq!(has_passed(status, log), expected, "{log}");
        }
    }

    #[test]
    fn the_seen_line_of_a_test() {
        let line = r#"SEEN {"kernel":"6.1.0","attached":["socket_read"],"missing":{"a":"old","b":"old"},"exchanges":12,"hops":["veth"]}"#;
        let expected = Seen {
            attached: vec!["socket_read".to_owned()],
            missing: [("old".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into(),
            exchanges: 12,
            hops: vec!["veth".to_owned()],
        };
        assert_eq!(seen(line), Some(expected));
        for end in 0..line.len() {
            assert_eq!(seen(&line[..end]), None, "{}", &line[..end]);
        }
    }

    #[test]
    fn a_path_with_a_quote() {
        assert_eq!(quoted(Path::new("/it's here")), r"'/it'\''s here'");
    }
}
