//! Runs a command that runs tests, and shows and counts its output line by line. In: a command.
//! Out: counts.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::libtest::Reader;
use super::summary::Counts;

/// Runs `command`; its stderr is not read.
///
/// # Errors
/// When it cannot be started or waited for: its own failure is in the counts.
pub(super) fn run(command: &mut Command) -> Result<Counts> {
    let program = command.get_program().to_owned();
    let named = || format!("run {}", program.display());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(named)?;
    let mut stdout = BufReader::new(child.stdout.take().with_context(named)?);
    let mut reader = Reader::default();
    let mut line = Vec::new();
    // The output of a test may be no UTF-8, which must not end the run.
    while stdout.read_until(b'\n', &mut line).with_context(named)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        if reader.line(text) {
            println!("{text}");
        }
        line.clear();
    }
    let status = child.wait().with_context(named)?;
    if !status.success() {
        eprintln!("{}: {status}", program.display());
    }
    Ok(reader.finish(status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Counts {
        run(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn counts_come_from_the_output_and_the_exit_status() {
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(
            shell(&format!("echo '{result}'")).to_string(),
            "2 passed, 0 failed, 0 skipped"
        );
        assert_eq!(
            shell(&format!("echo '{result}'; exit 101")).to_string(),
            "2 passed, 1 failed, 0 skipped"
        );
        assert_eq!(
            shell("printf '\\377\\n'; kill -SEGV $$").to_string(),
            "0 passed, 1 failed, 0 skipped"
        );
    }
}
