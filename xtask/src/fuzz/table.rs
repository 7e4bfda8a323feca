//! The result for people: a line a target, and below it each crash with how to run it again. In:
//! runs. Out: text.

use std::fmt;

use super::libfuzzer::Run;

/// All targets that ran.
#[derive(Debug)]
pub(super) struct Table<'a>(pub(super) &'a [Run]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<18} {:>11} {:>8} {:>13} {:>8}",
            "target", "executions", "exec/s", "new coverage", "crashes"
        )?;
        for run in self.0 {
            let report = &run.report;
            let new = report.covered.saturating_sub(report.covered_at_start);
            writeln!(
                f,
                "{:<18} {:>11} {:>8} {:>13} {:>8}",
                run.target.name(),
                report.executions,
                report.executions_per_second,
                format!("+{new} of {}", report.covered),
                report.crashes.len()
            )?;
        }
        for run in self.0.iter().filter(|run| !run.is_success()) {
            writeln!(f, "\n{}: {}", run.target.name(), run.status)?;
            writeln!(f, "{}", run.reason())?;
            for (input, [again, smaller]) in run.report.crashes.iter().zip(&run.reproduce) {
                writeln!(f, "  input      {}", input.display())?;
                writeln!(f, "  reproduce  {again}")?;
                writeln!(f, "  minimise   {smaller}")?;
            }
            writeln!(f, "  output     {}", run.log.display())?;
        }
        let failed = self.0.iter().filter(|run| !run.is_success()).count();
        write!(
            f,
            "\n{} targets passed, {failed} failed",
            self.0.len() - failed
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::super::{libfuzzer::Report, target::Target};
    use super::*;

    #[test]
    fn a_line_a_target_and_what_crashed() {
        let run = |target, exit_code: i32, crashes: &[&str]| Run {
            target,
            report: Report {
                executions: 99_999,
                executions_per_second: 1639,
                covered_at_start: 512,
                covered: 541,
                crashes: crashes.iter().map(Into::into).collect(),
                reason: (exit_code != 0).then(|| "  | thread panicked".to_owned()),
            },
            status: ExitStatus::from_raw(exit_code << 8),
            log: format!("/t/{}.log", target.name()).into(),
            reproduce: vec![["again".to_owned(), "smaller".to_owned()]; crashes.len()],
        };
        let runs = [
            run(Target::Http1Head, 0, &[]),
            run(Target::Decode, 77, &["/t/crash-0a"]),
        ];
        let expected = "
target              executions   exec/s  new coverage  crashes
http1_head               99999     1639    +29 of 541        0
decode                   99999     1639    +29 of 541        1

decode: exit status: 77
  | thread panicked
  input      /t/crash-0a
  reproduce  again
  minimise   smaller
  output     /t/decode.log

1 targets passed, 1 failed";
        assert_eq!(Table(&runs).to_string(), expected);
    }
}
