//! The queue of spans that wait to be sent.
//!
//! In: the spans of one exchange at a time. Out: batches of whole exchanges. The queue is bounded
//! by spans: an exchange is accepted whole while fewer spans wait than the bound, so that one
//! exchange at most exceeds it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::timeout,
};
use tracer_pipeline::span::Span;

use super::limits::Limits;

/// How full the queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueOccupancy {
    /// The spans in the queue.
    pub spans: u64,
    /// The spans from which on exchanges are shed.
    pub max_spans: u64,
}

/// The end of the queue that takes exchanges.
pub(super) struct Sender {
    exchanges: mpsc::Sender<Vec<Span>>,
    waiting: Arc<AtomicUsize>,
    max_spans: usize,
}

/// The end of the queue that yields batches.
pub(super) struct Batches {
    exchanges: mpsc::Receiver<Vec<Span>>,
    waiting: Arc<AtomicUsize>,
    limits: Limits,
    /// An exchange that did not fit into the last batch.
    held: Option<Vec<Span>>,
}

/// Makes a queue within these bounds.
pub(super) fn queue(limits: Limits) -> (Sender, Batches) {
    // An exchange has at least one span, so the bound of spans is reached before the channel's.
    let (sender, receiver) = mpsc::channel(limits.queue_spans);
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        exchanges: sender,
        waiting: Arc::clone(&waiting),
        max_spans: limits.queue_spans,
    };
    let batches = Batches {
        exchanges: receiver,
        waiting,
        limits,
        held: None,
    };
    (sender, batches)
}

impl Sender {
    /// Adds the spans of an exchange.
    ///
    /// # Errors
    /// Returns the spans when there is no room.
    pub(super) fn push(&self, spans: Vec<Span>) -> Result<(), Vec<Span>> {
        let count = spans.len();
        if self.room() == 0 {
            return Err(spans);
        }
        // Before the exchange is in the channel: the receiver may take it at once.
        self.waiting.fetch_add(count, Ordering::Relaxed);
        self.exchanges.try_send(spans).map_err(|error| {
            self.waiting.fetch_sub(count, Ordering::Relaxed);
            match error {
                TrySendError::Full(spans) | TrySendError::Closed(spans) => spans,
            }
        })
    }

    /// How many more spans the queue takes.
    pub(super) fn room(&self) -> usize {
        let waiting = self.waiting.load(Ordering::Relaxed);
        self.max_spans.saturating_sub(waiting)
    }

    /// How full it is.
    pub(super) fn queue(&self) -> QueueOccupancy {
        QueueOccupancy {
            spans: self.waiting.load(Ordering::Relaxed) as u64,
            max_spans: self.max_spans as u64,
        }
    }
}

impl Batches {
    /// Waits for an exchange, then until the batch is full or `batch_wait` has passed. `false` when
    /// the queue is empty and its sender is gone.
    ///
    /// Exchanges are not split: an exchange that is larger than a batch is a batch by itself.
    pub(super) async fn next(&mut self, batch: &mut Vec<Vec<Span>>) -> bool {
        let first = match self.held.take() {
            Some(held) => Some(held),
            None => self.exchanges.recv().await,
        };
        let Some(first) = first else { return false };
        let count = self.add(first, batch);
        // On a time-out, every exchange that was received is in the batch or in `held`.
        let _ = timeout(self.limits.batch_wait, self.fill(count, batch)).await;
        true
    }

    async fn fill(&mut self, mut count: usize, batch: &mut Vec<Vec<Span>>) {
        let max_spans = self.limits.batch_spans;
        while count < max_spans {
            let Some(spans) = self.exchanges.recv().await else {
                return;
            };
            if count + spans.len() > max_spans {
                self.held = Some(spans);
                return;
            }
            count += self.add(spans, batch);
        }
    }

    /// Adds an exchange to the batch, and returns its number of spans.
    fn add(&self, spans: Vec<Span>, batch: &mut Vec<Vec<Span>>) -> usize {
        let count = spans.len();
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        batch.push(spans);
        count
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::reference::bare_span, *};

    fn exchange(spans: usize) -> Vec<Span> {
        vec![bare_span(); spans]
    }

    fn limits(queue_spans: usize, batch_spans: usize) -> Limits {
        Limits {
            queue_spans,
            batch_spans,
            batch_wait: Duration::from_millis(50),
        }
    }

    #[tokio::test]
    async fn an_exchange_is_taken_or_refused_as_a_whole() {
        let (sender, mut batches) = queue(limits(100, 50));
        assert_eq!(sender.push(exchange(40)), Ok(()));
        assert_eq!(sender.push(exchange(59)), Ok(()));
        assert_eq!(sender.room(), 1);
        assert_eq!(sender.push(exchange(40)), Ok(()));
        assert_eq!(sender.push(exchange(3)), Err(exchange(3)));
        assert_eq!(sender.queue().spans, 139);
        let mut sizes = Vec::new();
        drop(sender.exchanges);
        let mut batch = Vec::new();
        while batches.next(&mut batch).await {
            sizes.push(batch.concat().len());
            batch.clear();
        }
        assert_eq!(sizes, [40, 59, 40]);
        assert_eq!(sender.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn exchanges_that_fit_are_sent_together() {
        let (sender, mut batches) = queue(limits(1_000, 100));
        for _ in 0..5 {
            assert_eq!(sender.push(exchange(40)), Ok(()));
        }
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let mut batch = Vec::new();
            assert!(batches.next(&mut batch).await);
            sizes.push(batch.concat().len());
        }
        // The last batch waits until its time has passed.
        assert_eq!(sizes, [80, 80, 40]);
    }
}
