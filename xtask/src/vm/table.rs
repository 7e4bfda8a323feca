//! The result for people: a line a kernel, and below it what the kernel lacks and what a request
//! shows on it. In: rows. Out: text.

use std::fmt;

use super::suite::{Row, Seen};
use crate::progress;

/// The rows of all kernels.
#[derive(Debug)]
pub(super) struct Table<'a>(pub(super) &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(
            f,
            "{:<24} {:>10}  {:<9} {:>9}  tests",
            "kernel", "took", "hooks", "exchanges"
        )?;
        for row in self.0 {
            line(f, row)?;
        }
        for row in self.0 {
            if let Some(seen) = &row.seen {
                writeln!(f, "\n{}", row.release)?;
                details(f, seen)?;
            }
        }
        let failed = self.0.iter().filter(|row| !row.is_success()).count();
        write!(
            f,
            "\nkernels: {} passed, {failed} failed",
            self.0.len() - failed
        )
    }
}

fn line(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    let (hooks, exchanges) = match &row.seen {
        Some(seen) => {
            let attached = seen.attached.len();
            let missing: usize = seen.missing.values().map(Vec::len).sum();
            (
                format!("{attached} of {}", attached + missing),
                seen.exchanges.to_string(),
            )
        }
        None => ("unknown".to_owned(), "unknown".to_owned()),
    };
    let tests: Vec<String> = row
        .passed
        .iter()
        .map(|(name, passed)| format!("{name} {}", if *passed { "passed" } else { "FAILED" }))
        .collect();
    writeln!(
        f,
        "{:<24} {:>10}  {hooks:<9} {exchanges:>9}  {}",
        row.release,
        progress::duration(row.took),
        tests.join(", ")
    )
}

fn details(f: &mut fmt::Formatter<'_>, seen: &Seen) -> fmt::Result {
    if seen.missing.is_empty() {
        writeln!(f, "  missing   nothing")?;
    }
    for (reason, hooks) in &seen.missing {
        writeln!(f, "  missing   {}", hooks.join(", "))?;
        writeln!(f, "            {}", reason.lines().next().unwrap_or(""))?;
    }
    writeln!(f, "  a request {}", seen.hops.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_a_kernel_and_what_it_lacks() {
        let row = |release: &str, seen, passed| Row {
            release: release.to_owned(),
            took: Duration::from_secs(31),
            passed: vec![("dispatch", passed)],
            seen,
        };
        let seen = Seen {
            attached: vec!["socket_read".to_owned()],
            missing: [(
                "too old\nverifier".to_owned(),
                vec!["input_enter".to_owned()],
            )]
            .into(),
            exchanges: 12,
            hops: vec!["veth".to_owned(), "bridge".to_owned()],
        };
        let rows = [
            row("6.1.0-56-amd64", Some(seen), true),
            row("6.12", None, false),
        ];
        let expected = "
kernel                         took  hooks     exchanges  tests
6.1.0-56-amd64                 31 s  1 of 2           12  dispatch passed
6.12                           31 s  unknown     unknown  dispatch FAILED

6.1.0-56-amd64
  missing   input_enter
            too old
  a request veth, bridge

kernels: 1 passed, 1 failed";
        assert_eq!(Table(&rows).to_string(), expected);
    }
}
