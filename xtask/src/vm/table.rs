//! The result for people: a line a kernel, and below it what the kernel lacks and what a request
//! shows on it. In: rows. Out: text.

use super::suite::{Row, Seen};
use crate::progress;
use crate::table::Table;

/// The rows of all kernels.
pub(super) fn text(rows: &[Row]) -> String {
    let columns = ["kernel", "took", "hooks", "exchanges", "tests"];
    let mut table = Table::new("", &columns);
    for row in rows {
        table.row(line(row));
    }
    let mut text = table.text();
    for row in rows {
        if let Some(seen) = &row.seen {
            text += &format!("\n{}\n{}", row.release, details(seen));
        }
    }
    let failed = rows.iter().filter(|row| !row.is_success()).count();
    let passed = rows.len() - failed;
    text + &format!("\nkernels: {passed} passed, {failed} failed")
}

fn line(row: &Row) -> Vec<String> {
    let tests = row.passed.iter().map(|(name, passed)| match passed {
        true => format!("{name} passed"),
        false => format!("{name} FAILED"),
    });
    let tests: Vec<String> = tests.collect();
    let (hooks, exchanges) = match &row.seen {
        Some(seen) => {
            let attached = seen.attached.len();
            let missing: usize = seen.missing.values().map(Vec::len).sum();
            let hooks = format!("{attached} of {}", attached + missing);
            (hooks, seen.exchanges.to_string())
        }
        None => ("unknown".to_owned(), "-".to_owned()),
    };
    let took = progress::duration(row.took);
    vec![
        row.release.clone(),
        took,
        hooks,
        exchanges,
        tests.join(", "),
    ]
}

fn details(seen: &Seen) -> String {
    let mut text = String::new();
    if seen.missing.is_empty() {
        text += "  missing   nothing\n";
    }
    for (reason, hooks) in &seen.missing {
        let (hooks, reason) = (hooks.join(", "), reason.lines().next().unwrap_or(""));
        text += &format!("  missing   {hooks}\n            {reason}\n");
    }
    text + &format!("  a request {}\n", seen.hops.join(", "))
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
        let missing = (
            "too old\nverifier".to_owned(),
            vec!["input_enter".to_owned()],
        );
        let seen = Seen {
            attached: vec!["socket_read".to_owned()],
            missing: [missing].into(),
            exchanges: 12,
            hops: vec!["veth".to_owned(), "bridge".to_owned()],
        };
        let rows = [
            row("6.1.0-56-amd64", Some(seen), true),
            row("6.12", None, false),
        ];
        let expected = "
  kernel          took  hooks    exchanges  tests
  6.1.0-56-amd64  31 s  1 of 2          12  dispatch passed
  6.12            31 s  unknown          -  dispatch FAILED

6.1.0-56-amd64
  missing   input_enter
            too old
  a request veth, bridge

kernels: 1 passed, 1 failed";
        assert_eq!(text(&rows), expected);
    }
}
