//! The result for people: a line a target, and below it each crash with how to run it again. In:
//! runs. Out: text.

use super::libfuzzer::Run;
use crate::table::Table;

/// All targets that ran.
pub(super) fn text(runs: &[Run]) -> String {
    let columns = [
        "target",
        "executions",
        "exec/s",
        "new coverage",
        "of",
        "crashes",
    ];
    let mut table = Table::new("", &columns);
    for run in runs {
        let report = &run.report;
        let new = report.covered.saturating_sub(report.covered_at_start);
        table.row(vec![
            run.target.name(),
            report.executions.to_string(),
            report.executions_per_second.to_string(),
            new.to_string(),
            report.covered.to_string(),
            report.crashes.len().to_string(),
        ]);
    }
    let mut text = table.text();
    let mut failed = 0;
    for run in runs.iter().filter(|run| !run.is_success()) {
        failed += 1;
        let (name, status, reason) = (run.target.name(), run.status, run.reason());
        text += &format!("\n{name}: {status}\n{reason}\n");
        for (input, [again, smaller]) in run.report.crashes.iter().zip(&run.reproduce) {
            let input = input.display();
            text +=
                &format!("  input      {input}\n  reproduce  {again}\n  minimise   {smaller}\n");
        }
        text += &format!("  output     {}\n", run.log.display());
    }
    let passed = runs.len() - failed;
    text + &format!("\n{passed} targets passed, {failed} failed")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::super::{libfuzzer::Report, target::Target};
    use super::*;

    #[test]
    fn a_line_a_target_and_its_crashes() {
        let run = |target: Target, exit_code: i32, crashes: &[&str]| Run {
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
  target      executions  exec/s  new coverage   of  crashes
  http1_head       99999    1639            29  541        0
  decode           99999    1639            29  541        1

decode: exit status: 77
  | thread panicked
  input      /t/crash-0a
  reproduce  again
  minimise   smaller
  output     /t/decode.log

1 targets passed, 1 failed";
        assert_eq!(text(&runs), expected);
    }
}
