//! Shows that a long step is under way, and keeps what it said. In: a command and a sentence. Out:
//! a spinner with elapsed seconds on a terminal, plain lines elsewhere; the full output in a file,
//! its tail on failure. Knows nothing of what the steps are for.

use std::cell::Cell;
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

/// Prints one line about what is going on. All of this goes to stderr: stdout is for results.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A step that takes longer than this says so when there is no spinner to show it.
const LONG: Duration = Duration::from_secs(1);

/// A step that shows its age until it is finished.
pub(crate) struct Step {
    what: String,
    started: Instant,
    on_terminal: bool,
    is_announced: Cell<bool>,
}

impl Step {
    /// Starts showing `what`, a phrase such as `building bpf-linker`.
    pub(crate) fn start(what: impl Into<String>) -> Self {
        let on_terminal = io::stderr().is_terminal();
        let step = Self {
            what: what.into(),
            started: Instant::now(),
            on_terminal,
            is_announced: Cell::new(false),
        };
        step.draw();
        step
    }

    /// Draws the spinner's next frame; without a terminal, announces the step once when it turns
    /// out to be long.
    pub(crate) fn draw(&self) {
        let elapsed = self.started.elapsed();
        if self.on_terminal {
            let frame = FRAMES[(elapsed.as_millis() / 100) as usize % FRAMES.len()];
            eprint!("\r\x1b[2K{frame} {} ({} s)", self.what, elapsed.as_secs());
            // A frame that cannot be shown is no reason to stop.
            let _ = io::stderr().flush();
        } else if elapsed > LONG && !self.is_announced.replace(true) {
            eprintln!("{} ...", self.what);
        }
    }

    /// Says that the step is done and how long it took.
    pub(crate) fn done(self) {
        self.finish("✓ ", "done in");
    }

    /// Says that the step failed and after how long. The reason is the caller's to tell.
    pub(crate) fn failed(self) {
        self.finish("✗ ", "failed after");
    }

    fn finish(self, mark: &str, how: &str) {
        let Self {
            what,
            started,
            on_terminal,
            ..
        } = self;
        let took = duration(started.elapsed());
        let start_of_line = if on_terminal { "\r\x1b[2K" } else { "" };
        let mark = if on_terminal { mark } else { "" };
        eprintln!("{start_of_line}{mark}{what}: {how} {took}");
    }
}

/// A duration as people say it: `0.4 s`, `75 s`, `3 min 5 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Does `work` as the step `what`.
///
/// # Errors
/// Those of `work`.
pub(crate) fn during<T: Send>(
    what: impl Into<String>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let step = Step::start(what);
    let result = thread::scope(|scope| {
        let worker = scope.spawn(work);
        while !worker.is_finished() {
            step.draw();
            thread::sleep(Duration::from_millis(20));
        }
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    match &result {
        Ok(_) => step.done(),
        Err(_) => step.failed(),
    }
    result
}

/// Runs `command` as the step `what`, its output in the file `log`, and stops it after `limit`.
///
/// # Errors
/// When it cannot be started, exits with anything but success, or takes too long; the message has
/// the output's last lines.
pub(crate) fn run(what: &str, log: &Path, limit: Duration, command: &mut Command) -> Result<()> {
    let step = Step::start(what);
    let result = run_logged(&step, log, limit, command);
    match &result {
        Ok(()) => step.done(),
        Err(_) => step.failed(),
    }
    result
}

fn run_logged(step: &Step, log: &Path, limit: Duration, command: &mut Command) -> Result<()> {
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    let file = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let stderr = file
        .try_clone()
        .with_context(|| format!("open {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(stderr)
        .spawn()
        .with_context(|| format!("run {}", command.get_program().display()))?;
    let status = wait(step, &mut child, limit)?;
    let program = command.get_program().display();
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!(
            "{program}: {status}\n{}\n  full output: {}",
            tail(log),
            log.display()
        ),
        None => bail!(
            "{program}: stopped after {}\n{}\n  full output: {}",
            duration(limit),
            tail(log),
            log.display()
        ),
    }
}

/// The exit status, or `None` when the time was over and the child has been killed.
fn wait(step: &Step, child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
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
        step.draw();
        thread::sleep(Duration::from_millis(50));
    }
}

/// The last lines of a log, indented; empty when there is none.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&text), TAIL_LINES)
}

fn last_lines(text: &str, count: usize) -> String {
    // A progress bar rewrites its line with carriage returns: only what it showed last counts.
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
    fn durations_as_people_say_them() {
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
    fn a_tail_has_the_last_lines_as_they_were_last_drawn() {
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
