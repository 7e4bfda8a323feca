//! One run of one target. In: its program, its corpus and a time. Out: libFuzzer's report, and the
//! inputs that crashed the target. Source: LLVM's documentation of libFuzzer, "Options" and
//! "Output".

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};

use super::target::Target;
use super::tools::Tools;
use crate::progress;

/// An input that takes longer counts as a crash, seconds: to parse any input here takes
/// milliseconds.
const TIMEOUT_SECONDS: u32 = 10;

/// A target that needs more memory counts as a crash, MiB. All tables are bounded far below.
const MEMORY_MIB: u32 = 2048;

/// What libFuzzer prints about its progress, and at its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Inputs that the target has run on.
    pub(super) executions: u64,
    /// On average.
    pub(super) executions_per_second: u64,
    /// Covered edges after the corpus was read.
    pub(super) covered_at_start: u64,
    /// Covered edges at the end.
    pub(super) covered: u64,
    /// The files of the inputs that crashed the target.
    pub(super) crashes: Vec<PathBuf>,
    /// The panic and its place, else the sanitizer's summary.
    pub(super) reason: Option<String>,
}

/// A target that has run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) target: Target,
    pub(super) report: Report,
    pub(super) status: ExitStatus,
    /// The file with all of its output.
    pub(super) log: PathBuf,
    /// For each crash, how to run it again and how to make it smaller.
    pub(super) reproduce: Vec<[String; 2]>,
}

impl Run {
    /// Whether it ran its time without a crash.
    pub(super) fn is_success(&self) -> bool {
        self.status.success() && self.report.crashes.is_empty()
    }

    /// The reason of a failure, else the end of its output.
    pub(super) fn reason(&self) -> String {
        let reason = self.report.reason.clone();
        reason.unwrap_or_else(|| progress::tail(&self.log))
    }
}

/// Runs the target for `seconds`, or until it crashes.
///
/// # Errors
/// When the program cannot be started or its output not be read.
pub(super) fn run(tools: &Tools, target: Target, seconds: u32) -> Result<Run> {
    let (corpus, crashes, log) = (
        tools.corpus(target),
        tools.crashes(target),
        tools.log(target),
    );
    fs::create_dir_all(&crashes).with_context(|| format!("create {}", crashes.display()))?;
    let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
    let mut program = tools.program(target);
    program
        .arg(&corpus)
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={}", target.max_input_bytes()))
        .arg(format!("-timeout={TIMEOUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg("-print_final_stats=1");
    if let Some(dictionary) = tools.dictionary(target) {
        program.arg(format!("-dict={}", dictionary.display()));
    }
    let status = program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .status()
        .with_context(|| format!("run {}", program.get_program().display()))?;
    let text = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
    let report = Report::parse(&String::from_utf8_lossy(&text));
    let reproduce = report.crashes.iter();
    let reproduce = reproduce
        .map(|input| tools.reproduce(target, input))
        .collect();
    Ok(Run {
        target,
        report,
        status,
        log,
        reproduce,
    })
}

impl Report {
    /// Reads libFuzzer's output. A number that is not in it stays zero.
    fn parse(output: &str) -> Self {
        let mut report = Self {
            reason: reason(output),
            ..Self::default()
        };
        for line in output.lines() {
            if let Some(covered) = number_after(line, " cov: ") {
                report.covered = covered;
                if line.contains("INITED") {
                    report.covered_at_start = covered;
                }
            }
            if let Some(executions) = number_after(line, "stat::number_of_executed_units:") {
                report.executions = executions;
            }
            if let Some(rate) = number_after(line, "stat::average_exec_per_sec:") {
                report.executions_per_second = rate;
            }
            if let Some((_, path)) = line.split_once("Test unit written to ") {
                report.crashes.push(PathBuf::from(path.trim()));
            }
        }
        report
    }
}

/// The first two lines of a panic, its place and its message; else the sanitizer's summary.
fn reason(output: &str) -> Option<String> {
    let mut lines = output.lines();
    let is_panic = |line: &&str| line.starts_with("thread ") && line.contains(" panicked at ");
    let Some(place) = lines.find(is_panic) else {
        let summary = output.lines().find(|line| line.starts_with("SUMMARY: "));
        return summary.map(|summary| format!("  | {summary}"));
    };
    let message = lines.next().unwrap_or_default();
    Some(format!("  | {place}\n  | {message}"))
}

fn number_after(line: &str, label: &str) -> Option<u64> {
    let (_, rest) = line.split_once(label)?;
    let digits = rest.trim_start().split(' ').next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: &str = "\
INFO: Seed: 1
#26\tINITED cov: 512 ft: 900 corp: 20/4Kb exec/s: 0 rss: 40Mb
#4096\tNEW    cov: 530 ft: 950 corp: 21/4Kb lim: 100 exec/s: 2048 rss: 41Mb L: 9/90 MS: 1 EraseBytes-
#99999\tDONE   cov: 541 ft: 990 corp: 30/5Kb lim: 200 exec/s: 1639 rss: 60Mb
Done 99999 runs in 61 second(s)
stat::number_of_executed_units: 99999
stat::average_exec_per_sec:     1639
stat::new_units_added:          10
";

    #[test]
    fn a_run_as_libfuzzer_reports_it() {
        let expected = Report {
            executions: 99_999,
            executions_per_second: 1639,
            covered_at_start: 512,
            covered: 541,
            crashes: Vec::new(),
            reason: None,
        };
        assert_eq!(Report::parse(COMPLETE), expected);
        assert_eq!(Report::parse(""), Report::default());
    }

    #[test]
    fn the_reason_is_the_panic_else_the_summary() {
        let reason = |output: &str| Report::parse(output).reason;
        let panic = "\nthread '<unnamed>' (7) panicked at src/a.rs:1:2:\nwhat\nnote: x\nSUMMARY: libFuzzer: deadly signal\n";
        let expected = "  | thread '<unnamed>' (7) panicked at src/a.rs:1:2:\n  | what";
        assert_eq!(reason(panic).as_deref(), Some(expected));
        assert_eq!(
            reason("x\nSUMMARY: libFuzzer: timeout\n").as_deref(),
            Some("  | SUMMARY: libFuzzer: timeout")
        );
        assert_eq!(reason("x\n"), None);
    }

    #[test]
    fn a_crash_names_its_input() {
        let output = "artifact_prefix='/t/'; Test unit written to /t/crash-0a\nBase64: AA==\n";
        assert_eq!(
            Report::parse(output).crashes,
            [PathBuf::from("/t/crash-0a")]
        );
    }
}
