//! The agent's status, shared between its tasks and the HTTP port.
//!
//! In: numbers and states from the tasks that own them. Out: copies. No lock is held longer than it
//! takes to move a pointer or copy a few words, so that scrapes do not slow the loop.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracer_pipeline::{
    decode::fact::Kind,
    pipeline,
    span::{EdgeSnapshot, Failure},
};

use crate::{
    attach::Missing, capture, cluster::kubernetes::WatchState, export, rules::RulesState,
    uplinks::Uplinks,
};

/// The status of a running agent.
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
    maps: Mutex<Vec<(String, capture::Occupancy)>>,
    displaced: AtomicU64,
}

/// The counters, published together about once a second. The kernel's counters of ended journeys
/// are read before those of opened journeys, so that a reader never sees more ended than opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    /// What the kernel programs counted.
    pub(crate) kernel: capture::Totals,
    /// Whose records the programs lost.
    pub(crate) pair_losses: Vec<capture::PairLoss>,
    /// Journeys that never ended.
    pub(crate) expired: u64,
    /// How full the map of journeys is.
    pub(crate) journeys: capture::Occupancy,
    /// How full the ring buffer was, at most.
    pub(crate) ring: capture::Occupancy,
    /// How full the tables of the pure stages are.
    pub(crate) tables: pipeline::Tables,
    /// What the pure stages counted.
    pub(crate) pipeline: pipeline::Counts,
    /// Failures of the applications' connections and exchanges.
    pub(crate) failures: Vec<(Failure, u64)>,
    /// What exchanges took, by client and service.
    pub(crate) edges: EdgeSnapshot,
    /// The results of the export.
    pub(crate) export: export::Totals,
    /// How full the export queue is.
    pub(crate) queue: export::QueueOccupancy,
}

/// The watches of the Kubernetes API, by kind.
pub(crate) type Kubernetes = BTreeMap<Kind, WatchState>;

/// The phase of the agent's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// The agent attaches, or reads the rules for the first time.
    Starting,
    /// The agent follows packets.
    Ready,
    /// The agent got a signal to end, and flushes.
    Ending,
}

impl Status {
    /// The status of an agent that starts now.
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
            maps: Mutex::default(),
            displaced: AtomicU64::new(0),
        }
    }

    /// The status of an agent that started `age` ago.
    #[cfg(test)]
    pub(crate) fn started_ago(age: Duration) -> Self {
        Self {
            started: Instant::now() - age,
            ..Self::new()
        }
    }

    /// Records a turn of the loop.
    pub(crate) fn turned(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.turned_ms.store(ms, Ordering::Relaxed);
    }

    /// The time since the loop's last turn, or since the start before the first.
    pub(crate) fn since_turn(&self) -> Duration {
        let turned = Duration::from_millis(self.turned_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(turned)
    }

    /// Records that the agent follows packets.
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Records the signal to end.
    pub(crate) fn set_ending(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// The phase of the agent's run.
    pub(crate) fn readiness(&self) -> Readiness {
        if self.ending.load(Ordering::Relaxed) {
            Readiness::Ending
        } else if self.ready.load(Ordering::Relaxed) {
            Readiness::Ready
        } else {
            Readiness::Starting
        }
    }

    /// Sets the hooks that are not attached, and the reasons.
    pub(crate) fn set_missing(&self, missing: &[Missing]) {
        let reasons = missing.iter().map(|missing| {
            let reason = missing.reason.clone();
            (missing.hook.name(), reason)
        });
        *lock(&self.missing) = reasons.collect();
    }

    /// The reasons of hooks that are not attached, by hook.
    pub(crate) fn missing(&self) -> BTreeMap<&'static str, String> {
        lock(&self.missing).clone()
    }

    /// Sets the uplinks.
    pub(crate) fn set_uplinks(&self, uplinks: &Uplinks) {
        let names = uplinks.devices.iter().map(|device| device.name.clone());
        *lock(&self.uplinks) = names.collect();
    }

    /// The names of the uplinks.
    pub(crate) fn uplinks(&self) -> Vec<String> {
        lock(&self.uplinks).clone()
    }

    /// Replaces the counters.
    pub(crate) fn publish(&self, numbers: Numbers) {
        let numbers = Arc::new(numbers);
        let old = std::mem::replace(&mut *lock(&self.numbers), numbers);
        // Dropped here, after the lock is released.
        drop(old);
    }

    /// The counters as last published.
    pub(crate) fn numbers(&self) -> Arc<Numbers> {
        Arc::clone(&lock(&self.numbers))
    }

    /// Sets the state of reading the rules.
    pub(crate) fn set_rules(&self, rules: RulesState) {
        *lock(&self.rules) = rules;
    }

    /// The state of reading the rules.
    pub(crate) fn rules(&self) -> RulesState {
        lock(&self.rules).clone()
    }

    /// Sets the state of the Kubernetes watches. Not called without a Kubernetes API, so that the
    /// metrics leave it out.
    pub(crate) fn set_kubernetes(&self, watches: Kubernetes) {
        *lock(&self.kubernetes) = watches;
    }

    /// The state of the Kubernetes watches; empty without a Kubernetes API.
    pub(crate) fn kubernetes(&self) -> Kubernetes {
        lock(&self.kubernetes).clone()
    }

    /// Counts a connection to the HTTP port that a newer one has displaced.
    pub(crate) fn connection_displaced(&self) {
        self.displaced.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections to the HTTP port that newer ones have displaced.
    pub(crate) fn displaced_connections(&self) -> u64 {
        self.displaced.load(Ordering::Relaxed)
    }

    /// Sets how full the programs' maps are, by their names.
    pub(crate) fn set_maps(&self, maps: Vec<(String, capture::Occupancy)>) {
        *lock(&self.maps) = maps;
    }

    /// How full the programs' maps were when they were last counted.
    pub(crate) fn maps(&self) -> Vec<(String, capture::Occupancy)> {
        lock(&self.maps).clone()
    }
}

/// Locks, also after a panic: every update of the values is a single assignment.
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
    fn a_turn_resets_its_age() {
        let status = Status::new();
        std::thread::sleep(Duration::from_millis(20));
        assert!(status.since_turn() >= Duration::from_millis(20));
        status.turned();
        assert!(status.since_turn() < Duration::from_millis(20));
    }
}
