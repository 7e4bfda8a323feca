//! A thread that reads kube-proxy's rules: at the start, after each change, and at intervals.
//!
//! It listens to nf_tables' notifications. The legacy back end of iptables has none and is polled.
//! [`read_schedule`] limits how often it reads; [`Reader`] does the reading.

mod change_notifications;
mod legacy_iptables;
mod nfnetlink;
mod read_schedule;
mod reader;
mod state;

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::{mpsc, watch};
use tracer_pipeline::kube_proxy::{Findings, Rules};

use crate::netlink::NetlinkError;

use read_schedule::ReadSchedule;

pub use change_notifications::RuleChanges;
pub use legacy_iptables::{LegacyError, LegacyIptables, TableInfo};
pub use nfnetlink::Nfnetlink;
pub use reader::{Anyway, ReadError, Reader, dump};
pub use state::{Mode, RulesState};

/// The receiving ends of the thread's channels.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The rules, whenever they change. Holds one value: until it is taken, nothing is read.
    pub(crate) rules: mpsc::Receiver<Arc<Rules>>,
    /// The state of the reader, for health checks and metrics.
    pub(crate) state: watch::Receiver<RulesState>,
}

/// Starts the thread. It ends with the process.
///
/// # Errors
///
/// When the thread cannot be started.
pub(crate) fn watch() -> io::Result<Watch> {
    let (rules_sender, rules) = mpsc::channel(1);
    let (state_sender, state) = watch::channel(RulesState::default());
    let watcher = Watcher {
        reader: Reader::default(),
        rules: rules_sender,
        state: state_sender,
        sent: None,
    };
    thread::Builder::new()
        .name("rules".into())
        .spawn(move || watcher.run())?;
    Ok(Watch { rules, state })
}

/// The result of a reading.
enum Read {
    /// Complete, or failed in a way that an immediate retry would not change.
    Done,
    /// The rules changed during every attempt.
    Overtaken,
}

struct Watcher {
    reader: Reader,
    rules: mpsc::Sender<Arc<Rules>>,
    state: watch::Sender<RulesState>,
    /// The rules that were sent last.
    sent: Option<Arc<Rules>>,
}

impl Watcher {
    fn run(mut self) {
        match Reader::with_notifications() {
            Ok(reader) => self.reader = reader,
            Err(error) => late(&error),
        }
        let mut pace = ReadSchedule::new(Instant::now());
        let mut notified = false;
        loop {
            let legacy = pace.is_legacy_due(Instant::now());
            let anyway = Anyway {
                // Without notifications a dump may have met a change that was half complete.
                nf_tables: notified || (legacy && !self.reader.is_listening()),
                legacy,
            };
            let read = self.read(anyway, &mut pace);
            if self.rules.is_closed() {
                return;
            }
            notified = match read {
                Read::Done => self.wait(&pace),
                Read::Overtaken => {
                    sleep_until(pace.due_after_change(Instant::now()));
                    true
                }
            };
        }
    }

    /// Waits until the rules are due to be read again. True after a notification of the kernel.
    fn wait(&mut self, pace: &ReadSchedule) -> bool {
        let notified = self.reader.wait(pace.poll_at()).unwrap_or_else(|error| {
            late(&error);
            false
        });
        if notified {
            // One reading covers all changes until then.
            sleep_until(pace.due_after_change(Instant::now()));
        }
        notified
    }

    fn read(&mut self, anyway: Anyway, pace: &mut ReadSchedule) -> Read {
        let started = Instant::now();
        let result = self.reader.read(anyway);
        let took = started.elapsed();
        pace.took(anyway.legacy, Instant::now(), took);
        let (rules, findings) = match &result {
            Ok(false) if self.sent.is_some() => (None, None),
            _ => {
                let (rules, findings) = self.reader.rules();
                (Some(rules), Some(findings))
            }
        };
        let read = match &result {
            Err(ReadError::NfTables(NetlinkError::Changed)) => Read::Overtaken,
            _ => Read::Done,
        };
        self.note(result.err(), rules.as_ref(), findings.as_ref(), took);
        if let Some(rules) = rules
            && self.sent.as_deref() != Some(&rules)
        {
            let rules = Arc::new(rules);
            // Fails only when the agent ends.
            let _ = self.rules.blocking_send(Arc::clone(&rules));
            self.sent = Some(rules);
        }
        read
    }

    /// Updates the state, and logs each new error once.
    fn note(
        &self,
        error: Option<ReadError>,
        rules: Option<&Rules>,
        findings: Option<&Findings>,
        took: Duration,
    ) {
        let error = error.map(ReadError::text);
        self.state.send_modify(|state| {
            if let Some(error) = &error {
                state.failures += 1;
                if state.last_error.as_ref() != Some(error) {
                    tracing::warn!("kube-proxy's rules are not up to date: {error}");
                }
            } else {
                state.last_read = Some(SystemTime::now());
            }
            state.last_error = error;
            if let Some(rules) = rules {
                state.reads += u64::from(state.last_error.is_none());
                state.read_time = took;
                state.decisions = rules.len();
                state.refusals = rules.refusal_count();
                state.modes = self.reader.modes();
            }
            if let Some(findings) = findings {
                state.findings = findings.total();
                for finding in findings.kept() {
                    tracing::debug!(%finding, "kube-proxy's rules");
                }
            }
        });
    }
}

fn sleep_until(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}

fn late(error: &io::Error) {
    let seconds = read_schedule::POLL.as_secs();
    tracing::warn!("changes of rules are seen up to {seconds} s late: {error}");
}
