//! The state of the Kubernetes API, for health checks, metrics and the log.
//!
//! In: answers and errors of the watches. Out: snapshots, and a log line when the API goes away or
//! comes back.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use serde::Serialize;
use tokio::sync::Notify;
use tracer_pipeline::decode::fact::Kind;

/// The API's state, shared between the watches and its readers.
#[derive(Debug, Default)]
pub struct ApiState {
    watches: Mutex<BTreeMap<Kind, WatchState>>,
    /// The time that is reserved for the last watch request of a kind.
    watch_slots: Mutex<BTreeMap<Kind, Instant>>,
    changed: Notify,
}

/// The state of one watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatchState {
    /// The API's last answer was a success.
    pub connected: bool,
    /// Since when `connected` has its value.
    #[serde(serialize_with = "unix_seconds")]
    pub since: SystemTime,
    /// The last error.
    pub last_error: Option<String>,
    /// The kind was listed at least once: the known objects are complete, but may be old.
    pub synced: bool,
    /// The number of known objects.
    pub objects: usize,
    /// List requests; each page counts.
    pub lists: u64,
    /// Watch requests: the first, and those after the end of a watch or an error.
    pub watches: u64,
    /// Failed list and watch requests.
    pub errors: u64,
}

impl Default for WatchState {
    fn default() -> Self {
        Self {
            connected: false,
            since: SystemTime::now(),
            last_error: None,
            synced: false,
            objects: 0,
            lists: 0,
            watches: 0,
            errors: 0,
        }
    }
}

/// The states of all watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApiSnapshot {
    /// By kind.
    pub watches: BTreeMap<Kind, WatchState>,
}

impl ApiSnapshot {
    /// Whether every watch is connected.
    pub fn is_connected(&self) -> bool {
        !self.watches.is_empty() && self.watches.values().all(|watch| watch.connected)
    }

    /// Whether every kind was listed at least once.
    pub fn is_synced(&self) -> bool {
        !self.watches.is_empty() && self.watches.values().all(|watch| watch.synced)
    }

    /// Since when a watch is not connected, and its last error. `None` while all are connected.
    pub fn away(&self) -> Option<(SystemTime, Option<&str>)> {
        let away = self.watches.values().filter(|watch| !watch.connected);
        let first = away.min_by_key(|watch| watch.since)?;
        Some((first.since, first.last_error.as_deref()))
    }
}

impl ApiState {
    pub(super) fn new(kinds: &[Kind]) -> Self {
        let watches = kinds.iter().map(|kind| (*kind, WatchState::default()));
        Self {
            watches: Mutex::new(watches.collect()),
            ..Self::default()
        }
    }

    /// The current state.
    pub fn snapshot(&self) -> ApiSnapshot {
        ApiSnapshot {
            watches: self.watches().clone(),
        }
    }

    /// Waits until every kind was listed or had an error, for at most `limit`.
    pub async fn settled(&self, limit: Duration) {
        let settled = async {
            loop {
                let changed = self.changed.notified();
                let is_open = |watch: &WatchState| !watch.synced && watch.errors == 0;
                if !self.watches().values().any(is_open) {
                    return;
                }
                changed.await;
            }
        };
        // After a time-out, the state shows the watches that are not synced.
        let _ = tokio::time::timeout(limit, settled).await;
    }

    /// Reserves the next time for a watch request of a kind, `interval` after the one before.
    /// Returns how long to wait for it.
    pub(super) fn reserve_watch(&self, kind: Kind, interval: Duration) -> Duration {
        let mut slots = self
            .watch_slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let slot = slots
            .get(&kind)
            .map_or(now, |last| (*last + interval).max(now));
        slots.insert(kind, slot);
        slot - now
    }

    pub(super) fn count_request(&self, kind: Kind, is_watch: bool) {
        self.update(kind, |watch| {
            let counter = if is_watch {
                &mut watch.watches
            } else {
                &mut watch.lists
            };
            *counter += 1;
        });
    }

    pub(super) fn answered(&self, kind: Kind) {
        self.update(kind, |watch| {
            if watch.connected {
                return;
            }
            if let Some(error) = &watch.last_error {
                let seconds = watch.since.elapsed().unwrap_or_default().as_secs();
                tracing::info!("the Kubernetes API is back after {seconds} s for {kind:?}; the last error was: {error}");
            }
            (watch.connected, watch.since) = (true, SystemTime::now());
        });
    }

    pub(super) fn synced(&self, kind: Kind, objects: usize) {
        self.update(kind, |watch| {
            if !watch.synced {
                tracing::info!("the Kubernetes API has {objects} objects of kind {kind:?}");
            }
            (watch.synced, watch.objects) = (true, objects);
        });
    }

    pub(super) fn objects(&self, kind: Kind, objects: usize) {
        self.update(kind, |watch| watch.objects = objects);
    }

    pub(super) fn failed(&self, kind: Kind, error: String) {
        self.update(kind, |watch| {
            watch.errors += 1;
            if watch.connected || watch.errors == 1 {
                tracing::warn!(
                    "the Kubernetes API is away for {kind:?}, names may be old or missing: {error}"
                );
                (watch.connected, watch.since) = (false, SystemTime::now());
            }
            watch.last_error = Some(error);
        });
    }

    fn update(&self, kind: Kind, change: impl FnOnce(&mut WatchState)) {
        change(self.watches().entry(kind).or_default());
        self.changed.notify_waiters();
    }

    /// Locks, also after a panic: no update leaves a state that is half changed.
    fn watches(&self) -> MutexGuard<'_, BTreeMap<Kind, WatchState>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_seconds<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    serializer.serialize_u64(since.unwrap_or_default().as_secs())
}
