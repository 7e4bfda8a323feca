//! What all benchmarks of a run share. In: the command line. Out: how often and how long to
//! measure, and where the programs are.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::progress::note;

/// The kernel frees programs and sockets some time after they are closed.
const SETTLE: Duration = Duration::from_millis(500);

/// How to measure.
#[derive(Debug)]
pub(super) struct Settings {
    /// How often everything is measured.
    pub(super) rounds: u32,
    /// Whether this run only shows that the benchmarks work.
    pub(super) is_quick: bool,
    /// The directory with the programs.
    pub(super) binaries: PathBuf,
}

impl Settings {
    /// How long one measurement takes.
    pub(super) fn length(&self, seconds: u64) -> Duration {
        Duration::from_secs(if self.is_quick { 1 } else { seconds })
    }

    /// Waits until the kernel has cleaned up after the measurement before.
    pub(super) fn settle(&self) {
        thread::sleep(SETTLE);
    }

    /// One of the project's programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// Prints which round begins.
    pub(super) fn note_round(&self, round: u32, what: &str) {
        let rounds = self.rounds;
        note(&format!("  round {} of {rounds}: {what}", round + 1));
    }
}
