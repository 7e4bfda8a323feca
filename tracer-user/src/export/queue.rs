//! The queue of spans that wait to be sent.
//!
//! In: the spans of one exchange at a time. Out: batches of whole exchanges, the oldest first. The
//! queue is bounded by spans and by bytes. When it is full, exchanges are dropped whole, the oldest of the
//! pair that holds most.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tracer_pipeline::span::{Edge, Span};

use super::{
    fair_queue::{FairQueue, Pair, Taken},
    limits::Limits,
    size::Size,
};

/// How full the queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueOccupancy {
    /// The spans in the queue.
    pub spans: u64,
    /// The spans from which on exchanges are dropped.
    pub max_spans: u64,
}

/// The end of the queue that takes exchanges. Dropping it closes the queue.
pub(super) struct Sender {
    queue: Arc<Queue>,
    _open: watch::Sender<()>,
}

/// The end of the queue that yields batches.
pub(super) struct Batches {
    queue: Arc<Queue>,
    open: watch::Receiver<()>,
    /// A batch was given back, and the next one was not taken yet.
    has_returned: bool,
}

struct Queue {
    limits: Limits,
    /// For the hashes of pairs.
    key: RandomState,
    waiting: Mutex<FairQueue>,
    /// The queue is no longer empty, or has a full batch.
    filled: Notify,
}

/// Makes a queue within these bounds.
pub(super) fn queue(limits: Limits) -> (Sender, Batches) {
    let queue = Arc::new(Queue {
        limits,
        key: RandomState::new(),
        waiting: Mutex::default(),
        filled: Notify::new(),
    });
    let (sender, receiver) = watch::channel(());
    let sender = Sender {
        queue: Arc::clone(&queue),
        _open: sender,
    };
    let batches = Batches {
        queue,
        open: receiver,
        has_returned: false,
    };
    (sender, batches)
}

impl Sender {
    /// Adds the spans of an exchange. Returns how many spans are dropped, because there are too many.
    pub(super) fn push(&self, edge: &Edge, spans: Vec<Span>) -> usize {
        let limits = &self.queue.limits;
        let pair = Pair(self.queue.key.hash_one(edge));
        let mut waiting = self.queue.lock();
        let was_empty = waiting.len() == 0;
        waiting.push(pair, spans);
        let dropped = make_room(&mut waiting, limits);
        let is_batch = waiting.spans() >= limits.batch_spans;
        drop(waiting);
        if was_empty || is_batch {
            self.queue.filled.notify_one();
        }
        dropped
    }

    /// How full it is.
    pub(super) fn occupancy(&self) -> QueueOccupancy {
        QueueOccupancy {
            spans: self.queue.lock().spans() as u64,
            max_spans: self.queue.limits.queue_spans as u64,
        }
    }
}

impl Batches {
    /// Waits for an exchange, then until the batch is full, `batch_wait` has passed, or the queue is
    /// closed. `None` when the queue is empty and closed. A batch that was given back is full.
    ///
    /// Exchanges are not split: an exchange that is larger than a batch is a batch by itself.
    pub(super) async fn next(&mut self) -> Option<Vec<Taken>> {
        let limits = self.queue.limits;
        if !std::mem::take(&mut self.has_returned) {
            self.wait_for(1).await;
            // After a time-out the batch is what there is.
            let _ = timeout(limits.batch_wait, self.wait_for(limits.batch_spans)).await;
        }
        let mut waiting = self.queue.lock();
        let mut batch = Vec::new();
        let mut size = Size::default();
        while let Some(next) = waiting.oldest() {
            size.add(next);
            let is_full = size.spans > limits.batch_spans || size.bytes > Limits::BATCH_BYTES;
            if is_full && !batch.is_empty() {
                break;
            }
            batch.extend(waiting.take_oldest());
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Puts a batch back: its exchanges are the oldest again. Returns how many spans are dropped,
    /// because there are too many.
    pub(super) fn give_back(&mut self, batch: Vec<Taken>) -> usize {
        self.has_returned = true;
        let mut waiting = self.queue.lock();
        waiting.give_back(batch);
        make_room(&mut waiting, &self.queue.limits)
    }

    /// Waits until the queue is closed.
    pub(super) async fn closed(&mut self) {
        while self.open.changed().await.is_ok() {}
    }

    /// Waits for so many spans, or until the queue is closed.
    async fn wait_for(&mut self, spans: usize) {
        let queue = Arc::clone(&self.queue);
        while queue.lock().spans() < spans {
            tokio::select! {
                () = queue.filled.notified() => {}
                () = self.closed() => return,
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, FairQueue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops exchanges until the queue is within its bounds. Returns how many spans they had. The last
/// exchange stays, even if it alone is larger than the queue.
fn make_room(waiting: &mut FairQueue, limits: &Limits) -> usize {
    let mut dropped = 0;
    while waiting.len() > 1
        && (waiting.spans() > limits.queue_spans || waiting.bytes() > limits.queue_bytes())
    {
        let exchange = waiting.drop_of_heaviest();
        dropped += exchange.map_or(0, |exchange| exchange.size.spans);
    }
    dropped
}

#[cfg(test)]
mod tests;
