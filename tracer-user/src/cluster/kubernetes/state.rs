//! How the API is doing, for health checks, metrics and the log.
//!
//! In: answers and errors, from the watches. Out: a snapshot at any time, and a line in the log when
//! the API goes away or comes back.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use serde::Serialize;
use tokio::sync::Notify;
use tracer_pipeline::decode::fact::Kind;

/// The API's state, shared between the watches and whoever asks.
#[derive(Debug, Default)]
pub struct ApiState {
    watches: Mutex<BTreeMap<Kind, WatchState>>,
    last_watches: Mutex<BTreeMap<Kind, Instant>>,
    changed: Notify,
}

/// One watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatchState {
    /// Whether the API's last answer was a good one.
    pub connected: bool,
    /// Since when it is so.
    #[serde(serialize_with = "unix_seconds")]
    pub since: SystemTime,
    /// Why the API is away, or was the last time.
    pub last_error: Option<String>,
    /// The list has been read at least once: what is known is complete, if perhaps old.
    pub synced: bool,
    /// Objects known.
    pub objects: usize,
    /// List requests, pages counted each.
    pub lists: u64,
    /// Watch requests: the first, those after the API ended one, and those after errors.
    pub watches: u64,
    /// Errors of either.
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

/// All watches together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApiSnapshot {
    /// By what is watched.
    pub watches: BTreeMap<Kind, WatchState>,
}

impl ApiSnapshot {
    /// Whether every watch has what it needs.
    pub fn is_connected(&self) -> bool {
        !self.watches.is_empty() && self.watches.values().all(|watch| watch.connected)
    }

    /// Whether everything was listed at least once.
    pub fn is_synced(&self) -> bool {
        !self.watches.is_empty() && self.watches.values().all(|watch| watch.synced)
    }

    /// Since when the API is away from at least one watch, and why. `None` while it is there.
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

    /// How it is now.
    pub fn snapshot(&self) -> ApiSnapshot {
        ApiSnapshot {
            watches: self.watches().clone(),
        }
    }

    /// Waits until everything was listed or the API has failed, for at most `patience`.
    pub async fn settled(&self, patience: Duration) {
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
        // That it took too long is in the state.
        let _ = tokio::time::timeout(patience, settled).await;
    }

    /// How long to wait before the next watch, for them to be so far apart; takes the next place.
    pub(super) fn pace(&self, kind: Kind, every: Duration) -> Duration {
        let mut last_watches = self
            .last_watches
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let place = last_watches
            .get(&kind)
            .map_or(now, |last| (*last + every).max(now));
        last_watches.insert(kind, place);
        place - now
    }

    pub(super) fn asked(&self, kind: Kind, is_watch: bool) {
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
                tracing::info!("the Kubernetes API is back after {seconds} s for {kind:?}: it was away with {error}");
            }
            (watch.connected, watch.since) = (true, SystemTime::now());
        });
    }

    pub(super) fn synced(&self, kind: Kind, objects: usize) {
        self.update(kind, |watch| {
            if !watch.synced {
                tracing::info!("the Kubernetes API has told {objects} objects of kind {kind:?}");
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

    /// Locks what a panic cannot leave half-changed.
    fn watches(&self) -> MutexGuard<'_, BTreeMap<Kind, WatchState>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_seconds<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    serializer.serialize_u64(since.unwrap_or_default().as_secs())
}
