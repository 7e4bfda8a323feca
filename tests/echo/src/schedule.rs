//! When the next request or connection is due.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// A constant rate, shared by all tasks of one thread.
pub(crate) struct Schedule {
    begin: Instant,
    /// `None`: everything is due at once.
    interval: Option<Duration>,
    taken: Cell<u32>,
}

impl Schedule {
    /// Begins now. Without a rate, tasks never wait.
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self {
            begin: Instant::now(),
            interval: per_second.map(|rate| Duration::from_secs(1) / rate.max(1)),
            taken: Cell::new(0),
        }
    }

    /// Takes the next slot and waits until it is due.
    pub(crate) async fn next(&self) {
        let Some(interval) = self.interval else {
            return;
        };
        let slot = self.taken.get();
        self.taken.set(slot.saturating_add(1));
        tokio::time::sleep_until((self.begin + interval * slot).into()).await;
    }
}
