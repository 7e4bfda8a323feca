//! The summary of a run. In: the counts of each phase. Out: a table of phases, the skipped tests
//! with their reasons, and as the last line `N passed, N failed, N skipped`.

use std::fmt;
use std::time::Duration;

use crate::progress;

/// The outcome of some tests. A check, such as rustfmt, counts as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    /// `name: reason` of each skipped test.
    pub(super) skipped: Vec<String>,
}

impl Counts {
    /// One check that passed.
    pub(super) fn one_passed() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// One check that failed.
    pub(super) fn one_failed() -> Self {
        Self {
            failed: 1,
            ..Self::default()
        }
    }

    /// One check that could not run.
    pub(super) fn one_skipped(name: &str, reason: &str) -> Self {
        Self {
            skipped: vec![format!("{name}: {reason}")],
            ..Self::default()
        }
    }

    /// The sum of both.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
        self
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skipped.len()
        )
    }
}

/// All phases of a run.
#[derive(Debug, Default)]
pub(super) struct Summary {
    phases: Vec<(&'static str, Duration, Counts)>,
}

impl Summary {
    /// Adds a phase that took `duration`.
    pub(super) fn add(&mut self, name: &'static str, duration: Duration, counts: Counts) {
        self.phases.push((name, duration, counts));
    }

    /// Whether something ran and nothing failed.
    pub(super) fn is_success(&self) -> bool {
        let total = self.total();
        total.passed > 0 && total.failed == 0
    }

    fn total(&self) -> Counts {
        self.phases
            .iter()
            .fold(Counts::default(), |total, (_, _, counts)| {
                total.and(counts.clone())
            })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        writeln!(f)?;
        for (name, duration, counts) in &self.phases {
            writeln!(
                f,
                "{name:<30}  {:>12}  {counts}",
                progress::duration(*duration)
            )?;
        }
        if !total.skipped.is_empty() {
            writeln!(f, "\nskipped:")?;
        }
        for skip in &total.skipped {
            writeln!(f, "  {skip}")?;
        }
        if total.passed == 0 && total.failed == 0 {
            writeln!(f, "\nerror: nothing ran")?;
        }
        write!(f, "\n{total}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(counts: &[Counts]) -> Summary {
        let mut summary = Summary::default();
        for counts in counts {
            summary.add("phase", Duration::from_secs(1), counts.clone());
        }
        summary
    }

    #[test]
    fn the_last_line_has_the_counts_and_skips_have_their_reasons() {
        let summary = summary(&[Counts {
            passed: 12,
            failed: 0,
            skipped: vec!["lab::x: no CAP_NET_ADMIN".to_owned()],
        }]);
        let text = summary.to_string();
        assert!(
            text.contains("skipped:\n  lab::x: no CAP_NET_ADMIN\n"),
            "{text}"
        );
        assert_eq!(text.lines().last(), Some("12 passed, 0 failed, 1 skipped"));
        assert!(summary.is_success());
    }

    #[test]
    fn one_failure_anywhere_fails_the_run() {
        assert!(!summary(&[Counts::one_failed(), Counts::one_passed()]).is_success());
    }

    #[test]
    fn a_run_of_nothing_or_of_skips_only_is_a_failure() {
        for counts in [Counts::default(), Counts::one_skipped("check", "no tool")] {
            let summary = summary(&[counts]);
            assert!(!summary.is_success());
            assert!(
                summary.to_string().contains("error: nothing ran"),
                "{summary}"
            );
        }
    }
}
