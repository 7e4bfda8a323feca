//! Shows that a long step is running, and stores its output. In: a command and a sentence. Out: a
//! spinner with elapsed seconds on a terminal, plain lines elsewhere; the full output in a file,
//! its end on failure. Knows nothing of the purpose of steps.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How many lines of a failed step's output are shown.
const TAIL_LINES: usize = 20;

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// For how long one frame is shown.
const FRAME: Duration = Duration::from_millis(100);
/// How often the end of a step is checked for.
const POLL: Duration = Duration::from_millis(20);

/// Prints one line about the progress, to stderr: stdout is for results.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A duration for people: `0.4 s`, `75 s`, `3 min 5 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Does `work` as the step `what`, a phrase such as `building bpf-linker`.
///
/// # Errors
/// Those of `work`.
pub(crate) fn during<T: Send>(
    what: impl Into<String>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let (what, started) = (what.into(), Instant::now());
    let on_terminal = io::stderr().is_terminal();
    let result = thread::scope(|scope| {
        let worker = scope.spawn(work);
        let mut is_announced = false;
        while !worker.is_finished() {
            let elapsed = started.elapsed();
            if on_terminal {
                let frame = elapsed.as_millis() / FRAME.as_millis();
                let frame = FRAMES[frame as usize % FRAMES.len()];
                eprint!("\r\x1b[2K{frame} {what} ({} s)", elapsed.as_secs());
                // The step continues when a frame cannot be shown.
                let _ = io::stderr().flush();
            } else if elapsed > Duration::from_secs(1) && !is_announced {
                eprintln!("{what} ...");
                is_announced = true;
            }
            thread::sleep(POLL);
        }
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    let (mark, how) = match &result {
        Ok(_) => ("✓", "done in"),
        Err(_) => ("✗", "failed after"),
    };
    let took = duration(started.elapsed());
    if on_terminal {
        eprintln!("\r\x1b[2K{mark} {what}: {how} {took}");
    } else {
        eprintln!("{what}: {how} {took}");
    }
    result
}

/// Runs `command` as the step `what`, its output in the file `log`, and kills it after `limit`.
///
/// # Errors
/// When it cannot be started, exits with anything but success, or takes too long; the message has
/// the output's last lines.
pub(crate) fn run(what: &str, log: &Path, limit: Duration, command: &mut Command) -> Result<()> {
    during(what, || run_logged(log, limit, command))
}

fn run_logged(log: &Path, limit: Duration, command: &mut Command) -> Result<()> {
    let shown = log.display();
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    let file = File::create(log).with_context(|| format!("create {shown}"))?;
    let stderr = file.try_clone();
    let stderr = stderr.with_context(|| format!("open {shown}"))?;
    command.stdin(Stdio::null()).stdout(file).stderr(stderr);
    let child = command.spawn();
    let program = command.get_program().display();
    let mut child = child.with_context(|| format!("run {program}"))?;
    let how = match wait(&mut child, limit)? {
        Some(status) if status.success() => return Ok(()),
        Some(status) => status.to_string(),
        None => format!("stopped after {}", duration(limit)),
    };
    bail!("{program}: {how}\n{}\n  full output: {shown}", tail(log))
}

/// The exit status, or `None` when the child was killed because the time was over.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("wait for a child")? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit {
            child.kill().context("stop a child")?;
            child.wait().context("wait for a child")?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// The last lines of a log, indented; empty when there is none.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&text), TAIL_LINES)
}

fn last_lines(text: &str, count: usize) -> String {
    // A progress bar rewrites its line with carriage returns: only its last state is shown.
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.rsplit('\r').next().unwrap_or(line))
        .filter(|line| !line.trim().is_empty())
        .collect();
    let shown = &lines[lines.len().saturating_sub(count)..];
    shown
        .iter()
        .map(|line| format!("  | {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        let cases = [
            (400, "0.4 s"),
            (9_940, "9.9 s"),
            (75_000, "75 s"),
            (185_000, "3 min 5 s"),
        ];
        for (millis, expected) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn the_end_of_a_log_with_the_last_state_of_each_line() {
        assert_eq!(last_lines("a\n\nb\n10%\r100%\n", 2), "  | b\n  | 100%");
        assert_eq!(last_lines("", 2), "");
    }

    #[test]
    fn a_failed_command_shows_its_output() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log/step.log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let error = run("failing", &log, Duration::from_secs(10), &mut command)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exit status: 3\n  | out\n  | err\n"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&log).unwrap(), "out\nerr\n");
    }

    #[test]
    fn a_command_that_hangs_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        let error = run(
            "hanging",
            &dir.path().join("log"),
            Duration::from_millis(100),
            &mut command,
        )
        .unwrap_err();
        assert!(error.to_string().contains("stopped after 0.1 s"), "{error}");
    }
}
