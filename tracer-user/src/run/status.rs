//! What the agent's tasks know of themselves, for whoever asks over HTTP.
//!
//! In: numbers and facts, published by the task that owns them. Out: copies. A publisher never waits
//! for a reader: each lock is held for as long as it takes to move a pointer or a few words.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracer_pipeline::{decode::fact::Kind, pipeline, span::Failure};

use crate::{
    capture, cluster::kubernetes::WatchState, export, rules::RulesState, uplinks::Uplinks,
};

/// Everything that can be asked of a running agent.
#[derive(Debug)]
pub(crate) struct Status {
    started: Instant,
    /// When the loop last turned, in milliseconds since the start.
    turned_ms: AtomicU64,
    ready: AtomicBool,
    ending: AtomicBool,
    missing: Mutex<BTreeMap<&'static str, String>>,
    numbers: Mutex<Arc<Numbers>>,
    uplinks: Mutex<Vec<String>>,
    rules: Mutex<RulesState>,
    kubernetes: Mutex<Kubernetes>,
}

/// What the loop has counted, taken together about once a second. Of the kernel's numbers, the ends
/// of journeys are read before their beginnings, so that a reader never sees more ends than beginnings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    /// What the kernel programs counted.
    pub(crate) kernel: capture::Totals,
    /// Journeys that never ended.
    pub(crate) expired: u64,
    /// The map of journeys.
    pub(crate) journeys: capture::Occupancy,
    /// What the pure stages counted.
    pub(crate) pipeline: pipeline::Counts,
    /// What failed for the applications.
    pub(crate) failures: Vec<(Failure, u64)>,
    /// What became of the spans.
    pub(crate) export: export::Totals,
    /// The spans that wait to be sent.
    pub(crate) queue: export::Queue,
}

/// The watches of the Kubernetes API, by what they watch.
pub(crate) type Kubernetes = BTreeMap<Kind, WatchState>;

/// Whether the agent does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It attaches, or reads the rules for the first time.
    Starting,
    /// It follows packets.
    Ready,
    /// It was told to end, and flushes.
    Ending,
}

impl Status {
    /// That of an agent which has just begun to start.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            turned_ms: AtomicU64::new(0),
            ready: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            missing: Mutex::default(),
            numbers: Mutex::default(),
            uplinks: Mutex::default(),
            rules: Mutex::default(),
            kubernetes: Mutex::default(),
        }
    }

    /// That of an agent which began to start so long ago.
    #[cfg(test)]
    pub(crate) fn started_ago(age: Duration) -> Self {
        Self {
            started: Instant::now() - age,
            ..Self::new()
        }
    }

    /// The loop has turned.
    pub(crate) fn turned(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.turned_ms.store(ms, Ordering::Relaxed);
    }

    /// How long ago the loop last turned; since the start, when it never has.
    pub(crate) fn since_turn(&self) -> Duration {
        let turned = Duration::from_millis(self.turned_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(turned)
    }

    /// Attached, and the clocks and rules were read, as far as there are any.
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Told to end.
    pub(crate) fn set_ending(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether the agent does its work.
    pub(crate) fn readiness(&self) -> Readiness {
        if self.ending.load(Ordering::Relaxed) {
            Readiness::Ending
        } else if self.ready.load(Ordering::Relaxed) {
            Readiness::Ready
        } else {
            Readiness::Starting
        }
    }

    /// Which hooks are not attached, and why.
    pub(crate) fn set_missing(&self, missing: BTreeMap<&'static str, String>) {
        *lock(&self.missing) = missing;
    }

    /// Hooks that are not attached, and why.
    pub(crate) fn missing(&self) -> BTreeMap<&'static str, String> {
        lock(&self.missing).clone()
    }

    /// The devices by which the node reaches others.
    pub(crate) fn set_uplinks(&self, uplinks: &Uplinks) {
        let names = uplinks.devices.iter().map(|device| device.name.clone());
        *lock(&self.uplinks) = names.collect();
    }

    /// The names of the devices by which the node reaches others.
    pub(crate) fn uplinks(&self) -> Vec<String> {
        lock(&self.uplinks).clone()
    }

    /// New numbers in place of the old.
    pub(crate) fn publish(&self, numbers: Numbers) {
        let numbers = Arc::new(numbers);
        let old = std::mem::replace(&mut *lock(&self.numbers), numbers);
        // Freed here, after the lock.
        drop(old);
    }

    /// The numbers as they were last published.
    pub(crate) fn numbers(&self) -> Arc<Numbers> {
        Arc::clone(&lock(&self.numbers))
    }

    /// How the reading of rules goes now.
    pub(crate) fn set_rules(&self, rules: RulesState) {
        *lock(&self.rules) = rules;
    }

    /// How the reading of rules goes.
    pub(crate) fn rules(&self) -> RulesState {
        lock(&self.rules).clone()
    }

    /// How the watches of the Kubernetes API are now. Where there is none, nobody calls this, and there
    /// are no metrics of it.
    pub(crate) fn set_kubernetes(&self, watches: Kubernetes) {
        *lock(&self.kubernetes) = watches;
    }

    /// The watches of the Kubernetes API, where there is one.
    pub(crate) fn kubernetes(&self) -> Kubernetes {
        lock(&self.kubernetes).clone()
    }
}

/// Locks what a panic cannot leave half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_ready_between_its_start_and_its_end() {
        let status = Status::new();
        assert_eq!(status.readiness(), Readiness::Starting);
        status.set_ready();
        assert_eq!(status.readiness(), Readiness::Ready);
        status.set_ending();
        assert_eq!(status.readiness(), Readiness::Ending);
    }

    #[test]
    fn a_turn_sets_the_clock_back() {
        let status = Status::new();
        std::thread::sleep(Duration::from_millis(20));
        assert!(status.since_turn() >= Duration::from_millis(20));
        status.turned();
        assert!(status.since_turn() < Duration::from_millis(20));
    }
}
