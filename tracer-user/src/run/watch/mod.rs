//! The exchanges of `hopspan watch`, from the loop to those who watch.
//!
//! In: summaries from the pipeline, filters from the HTTP port. Out: lines of JSON for each watcher.
//! Bounded: watchers, the lines and bytes that wait for each, and the exchanges without spans in a
//! second. A watcher that is too slow misses lines, which is counted for it, and never delays the
//! loop. While nobody watches, an exchange costs the loop one load.

mod access;
mod filter;
mod queue;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::Notify;
use tracer_pipeline::{
    pipeline::SpanSink,
    span::{Edge, Span, Summary},
};

use crate::export::Exporter;

pub use access::WatchFrom;
pub(super) use filter::Filter;
pub(super) use queue::Queued;

use queue::Queue;

/// Watchers at a time. One source may have two more connections to the HTTP port, so that watchers
/// do not displace probes, nor the other way round.
pub(super) const MAX_WATCHERS: usize = 6;
/// The memory of the lines that wait for watchers, at most.
pub const WATCH_BYTES: usize = MAX_WATCHERS * queue::MAX_BYTES;
/// Exchanges without spans that are summarised in a second, for all watchers together.
const UNTRACED_PER_SECOND: u32 = 500;
/// Of these, the requests of HTTP/1 that the programs follow for it: so many that the eight windows of
/// theirs that a second can have stay within the limit.
pub(super) const FOLLOWED_PER_SECOND: u32 = 450;

/// Those who watch. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Watchers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Watchers in all, and those that want exchanges without spans, too.
    all: AtomicUsize,
    untraced: AtomicUsize,
    places: Mutex<Vec<Arc<Place>>>,
    /// Notified when watchers come or go.
    changed: Notify,
    /// What the loop was told last of watchers that want exchanges without spans.
    told_untraced: AtomicBool,
    /// Exchanges without spans that were left out because there were too many.
    left_out: AtomicU64,
}

#[derive(Debug)]
struct Place {
    filter: Filter,
    queue: Queue,
}

/// A watcher's end of its queue. Dropping it ends the watching.
#[derive(Debug)]
pub(super) struct Watcher {
    watchers: Watchers,
    place: Arc<Place>,
    /// The number of exchanges left out that it has been told.
    told_left_out: AtomicU64,
}

impl Watchers {
    /// Adds a watcher; `None` if there are too many.
    pub(super) fn add(&self, filter: Filter) -> Option<Watcher> {
        let mut places = self.lock();
        if places.len() >= MAX_WATCHERS {
            return None;
        }
        let place = Arc::new(Place {
            filter,
            queue: Queue::default(),
        });
        places.push(Arc::clone(&place));
        self.count(&places);
        drop(places);
        Some(Watcher {
            watchers: self.clone(),
            place,
            told_left_out: AtomicU64::new(self.0.left_out.load(Ordering::Relaxed)),
        })
    }

    /// How many watch.
    pub(super) fn len(&self) -> usize {
        self.0.all.load(Ordering::Relaxed)
    }

    /// Whether one of them wants exchanges without spans.
    pub(super) fn want_untraced(&self) -> bool {
        self.0.untraced.load(Ordering::Relaxed) > 0
    }

    /// Waits until [`Self::want_untraced`] has changed; it is false at first.
    pub(super) async fn untraced_changed(&self) -> bool {
        loop {
            let wants = self.want_untraced();
            if self.0.told_untraced.swap(wants, Ordering::Relaxed) != wants {
                return wants;
            }
            self.0.changed.notified().await;
        }
    }

    /// Counts exchanges without spans that are left out because there are too many.
    pub(super) fn leave_out(&self, exchanges: u64) {
        self.0.left_out.fetch_add(exchanges, Ordering::Relaxed);
    }

    /// Gives a summary to all that want it. It is written once.
    fn publish(&self, summary: &Summary<'_>) {
        let mut line: Option<Bytes> = None;
        for place in &*self.lock() {
            if !place.filter.matches(summary) {
                continue;
            }
            let line = line.get_or_insert_with(|| json_line(summary));
            place.queue.push(line.clone());
        }
    }

    fn count(&self, places: &[Arc<Place>]) {
        let untraced = places.iter().filter(|place| place.filter.untraced).count();
        self.0.all.store(places.len(), Ordering::Relaxed);
        self.0.untraced.store(untraced, Ordering::Relaxed);
        self.0.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// The next lines, as soon as there are any.
    pub(super) async fn next(&self) -> Queued {
        self.place.queue.next().await
    }

    /// The exchanges without spans that were left out since the last call because there were too many;
    /// 0 for a watcher that does not want them.
    pub(super) fn left_out(&self) -> u64 {
        let all = self.watchers.0.left_out.load(Ordering::Relaxed);
        let told = self.told_left_out.swap(all, Ordering::Relaxed);
        match self.place.filter.untraced {
            true => all.wrapping_sub(told),
            false => 0,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut places = self.watchers.lock();
        places.retain(|place| !Arc::ptr_eq(place, &self.place));
        self.watchers.count(&places);
    }
}

fn json_line(summary: &Summary<'_>) -> Bytes {
    let mut line = Vec::with_capacity(2048);
    // Writing to memory cannot fail, and neither can texts and numbers.
    let _ = serde_json::to_writer(&mut line, summary);
    line.push(b'\n');
    line.into()
}

/// The export, with those who watch beside it.
pub(super) struct WatchedExport {
    pub(super) exporter: Exporter,
    pub(super) watchers: Watchers,
    untraced: UntracedLimit,
}

impl WatchedExport {
    pub(super) fn new(exporter: Exporter, watchers: Watchers) -> Self {
        Self {
            exporter,
            watchers,
            untraced: UntracedLimit::new(Instant::now()),
        }
    }
}

impl WatchedExport {
    fn takes_untraced(&mut self) -> bool {
        let takes = self.untraced.take(Instant::now());
        self.watchers.leave_out(u64::from(!takes));
        takes
    }
}

impl SpanSink for WatchedExport {
    fn add(&mut self, edge: &Edge, spans: Vec<Span>) {
        self.exporter.push(edge, spans);
    }

    fn takes_summary(&mut self, has_spans: bool) -> bool {
        match has_spans {
            true => self.watchers.len() > 0,
            false => self.watchers.want_untraced() && self.takes_untraced(),
        }
    }

    fn summary(&mut self, summary: &Summary<'_>) {
        self.watchers.publish(summary);
    }
}

/// Limits exchanges without spans, second by second.
#[derive(Debug)]
struct UntracedLimit {
    second: Instant,
    taken: u32,
}

impl UntracedLimit {
    fn new(now: Instant) -> Self {
        Self {
            second: now,
            taken: 0,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        let is_left = self.taken < UNTRACED_PER_SECOND;
        self.taken += u32::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests;
