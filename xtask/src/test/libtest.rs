//! Reads the output of Rust's test harness. In: lines. Out: counts, and whether to show a line.
//!
//! A test that cannot run here prints `SKIP name: reason` and returns; the harness counts it as
//! passed, and this module as skipped. A test that leaves a part of its work out prints
//! `SKIP name/part: reason`: it counts as passed or failed, and the part as skipped. The harness shows the output of passing tests only with
//! `--show-output`, which the runs here set; its `successes:` section is read but not shown. The
//! output of tests can look like a result line, so a result counts only outside of such sections.

use std::collections::BTreeMap;

use super::summary::Counts;

/// The state of one run of test programs.
#[derive(Debug, Default)]
pub(super) struct Reader {
    counts: Counts,
    /// The skipped tests of the program that runs now, and the reasons.
    skips: BTreeMap<String, String>,
    section: Section,
}

/// The part of a program's output that is being read. The harness prints `successes:` twice, before
/// the output of passing tests and before their names; `failures:` likewise (rust:
/// library/test/src/formatters/pretty.rs, write_results).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Running,
    SuccessOutput,
    SuccessNames,
    FailureOutput,
    FailureNames,
}

impl Section {
    /// The section that `line`, one of the harness' headings, begins.
    fn after(self, line: &str) -> Self {
        match (self, line) {
            (Self::Running, "successes:") => Self::SuccessOutput,
            (Self::SuccessOutput, "successes:") => Self::SuccessNames,
            (Self::Running | Self::SuccessNames, "failures:") => Self::FailureOutput,
            (Self::FailureOutput, "failures:") => Self::FailureNames,
            _ => self,
        }
    }

    fn is_output_of_tests(self) -> bool {
        matches!(self, Self::SuccessOutput | Self::FailureOutput)
    }
}

impl Reader {
    /// Reads one line; true when it should be shown.
    pub(super) fn line(&mut self, line: &str) -> bool {
        if let Some((name, reason)) = skip(line) {
            self.skips.insert(name.to_owned(), reason.to_owned());
            return false;
        }
        if !self.section.is_output_of_tests()
            && let Some(result) = TestResult::parse(line)
        {
            self.section = Section::Running;
            self.take(&result);
            return true;
        }
        self.section = self.section.after(line);
        !matches!(self.section, Section::SuccessOutput | Section::SuccessNames)
    }

    /// The counts of all programs. A program that crashed or did not compile has no result line, so
    /// a run that did not succeed has at least one failure.
    pub(super) fn finish(mut self, succeeded: bool) -> Counts {
        if !succeeded && self.counts.failed == 0 {
            self.counts.failed = 1;
        }
        self.counts.skipped.extend(
            self.skips
                .iter()
                .map(|(name, reason)| format!("{name}: {reason}")),
        );
        self.counts
    }

    fn take(&mut self, result: &TestResult) {
        let whole = self.skips.keys().filter(|name| !name.contains('/')).count();
        self.counts.passed += result.passed.saturating_sub(whole);
        self.counts.failed += result.failed;
        let skips = std::mem::take(&mut self.skips);
        self.counts.skipped.extend(
            skips
                .into_iter()
                .map(|(name, reason)| format!("{name}: {reason}")),
        );
        self.counts
            .skipped
            .extend((0..result.ignored).map(|_| "a test marked ignored".to_owned()));
    }
}

/// `test result: ok. 13 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in
/// 0.02s`.
#[derive(Debug, PartialEq, Eq)]
struct TestResult {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl TestResult {
    fn parse(line: &str) -> Option<Self> {
        let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            let part = counts
                .split("; ")
                .find_map(|part| part.strip_suffix(word))?;
            part.trim().parse().ok()
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            ignored: count("ignored")?,
        })
    }
}

/// `SKIP name: reason`. The name has no space in it, but may have `::`.
fn skip(line: &str) -> Option<(&str, &str)> {
    let (name, reason) = line.trim().strip_prefix("SKIP ")?.split_once(": ")?;
    (!name.contains(' ')).then_some((name, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, succeeded: bool, expected: &str, shown: &str) {
        let mut reader = Reader::default();
        let lines: Vec<&str> = output.lines().filter(|line| reader.line(line)).collect();
        let counts = reader.finish(succeeded);
        assert_eq!(counts.to_string(), expected, "{output}");
        assert_eq!(lines.join("\n"), shown);
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let first = "test result: ok. 13 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.02s";
        let second = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s";
        check(
            &format!("{first}\n{second}"),
            false,
            "16 passed, 2 failed, 0 skipped",
            &format!("{first}\n{second}"),
        );
    }

    #[test]
    fn a_skipped_test_is_not_counted_as_passed() {
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let output = format!(
            "running 2 tests\ntest a ... \nSKIP lab::a: no CAP_NET_ADMIN: run as root\nok\ntest b ... ok\n\nsuccesses:\n\n\
             ---- b stdout ----\nnoise\n\nsuccesses:\n    a\n    b\n\n{result}"
        );
        let shown = format!("running 2 tests\ntest a ... \nok\ntest b ... ok\n\n{result}");
        check(&output, true, "1 passed, 0 failed, 1 skipped", &shown);
    }

    #[test]
    fn a_skip_that_only_the_shown_output_has_counts_once() {
        let result = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let output = format!(
            "SKIP a: why\nsuccesses:\n\n---- a stdout ----\nSKIP a: why\n\nsuccesses:\n    a\n\n{result}"
        );
        check(&output, true, "0 passed, 0 failed, 1 skipped", result);
    }

    #[test]
    fn failures_after_successes_are_shown() {
        let result = "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let successes = "successes:\n\n---- a stdout ----\nnoise\n\nsuccesses:\n    a";
        let failures = "failures:\n\n---- b stdout ----\npanicked\n\nfailures:\n    b";
        let shown = format!("{failures}\n\n{result}");
        check(
            &format!("{successes}\n\n{shown}"),
            false,
            "1 passed, 1 failed, 0 skipped",
            &shown,
        );
    }

    #[test]
    fn a_result_line_in_the_output_of_a_test_does_not_count() {
        let printed = "test result: FAILED. 7 passed; 7 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let result = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let output =
            format!("successes:\n\n---- a stdout ----\n{printed}\n\nsuccesses:\n    a\n\n{result}");
        check(&output, true, "1 passed, 0 failed, 0 skipped", result);
        let output =
            format!("failures:\n\n---- a stdout ----\n{printed}\n\nfailures:\n    a\n\n{printed}");
        check(&output, false, "7 passed, 7 failed, 0 skipped", &output);
    }

    #[test]
    fn a_test_that_skips_a_part_counts_as_passed() {
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let output = format!("SKIP a/java: no java\nSKIP a/perl: no perl\n{result}");
        check(&output, true, "2 passed, 0 failed, 2 skipped", result);
    }

    #[test]
    fn ignored_tests_are_skipped_tests() {
        let result = "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        check(result, true, "1 passed, 0 failed, 2 skipped", result);
    }

    #[test]
    fn a_crash_or_a_compile_error_is_a_failure() {
        check(
            "running 3 tests",
            false,
            "0 passed, 1 failed, 0 skipped",
            "running 3 tests",
        );
        check("", false, "0 passed, 1 failed, 0 skipped", "");
    }

    #[test]
    fn lines_that_only_resemble_results() {
        for line in [
            "test result: ok",
            "test result: ok. many passed; 0 failed; 0 ignored",
            "test results: ok. 1 passed",
        ] {
            assert_eq!(TestResult::parse(line), None, "{line}");
        }
        for line in ["SKIP", "SKIP a", "SKIP this sentence: no", "we SKIP a: b"] {
            assert_eq!(skip(line), None, "{line}");
        }
    }
}
