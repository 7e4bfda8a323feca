//! The queue of spans that wait to be sent.
//!
//! In: the spans of one exchange at a time. Out: batches of whole exchanges, the oldest first. The
//! queue is bounded by spans and by bytes. When it is full, the oldest exchanges are dropped whole.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tracer_pipeline::span::{Attribute, Span, Value};

use super::limits::Limits;

/// How full the queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueOccupancy {
    /// The spans in the queue.
    pub spans: u64,
    /// The spans from which on the oldest exchanges are dropped.
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
}

struct Queue {
    limits: Limits,
    waiting: Mutex<Waiting>,
    /// The queue is no longer empty, or has a full batch.
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    exchanges: VecDeque<Exchange>,
    spans: usize,
    bytes: usize,
    /// The queue has dropped exchanges since this was last asked.
    overflowed: bool,
}

struct Exchange {
    spans: Vec<Span>,
    bytes: usize,
}

/// Makes a queue within these bounds.
pub(super) fn queue(limits: Limits) -> (Sender, Batches) {
    let queue = Arc::new(Queue {
        limits,
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
    };
    (sender, batches)
}

impl Sender {
    /// Adds the spans of an exchange. Returns how many older spans are dropped for them.
    pub(super) fn push(&self, spans: Vec<Span>) -> usize {
        let limits = &self.queue.limits;
        let mut waiting = self.queue.lock();
        let was_empty = waiting.exchanges.is_empty();
        waiting.add(spans);
        let mut dropped = 0;
        // The newest exchange stays, even if it alone is larger than the queue.
        while waiting.exchanges.len() > 1
            && (waiting.spans > limits.queue_spans || waiting.bytes > limits.queue_bytes())
        {
            dropped += waiting.take().map_or(0, |oldest| oldest.len());
        }
        waiting.overflowed |= dropped > 0;
        let is_batch = waiting.spans >= limits.batch_spans;
        drop(waiting);
        if was_empty || is_batch {
            self.queue.filled.notify_one();
        }
        dropped
    }

    /// How full it is.
    pub(super) fn occupancy(&self) -> QueueOccupancy {
        QueueOccupancy {
            spans: self.queue.lock().spans as u64,
            max_spans: self.queue.limits.queue_spans as u64,
        }
    }
}

impl Batches {
    /// Waits for an exchange, then until the batch is full, `batch_wait` has passed, or the queue is
    /// closed. `false` when the queue is empty and closed.
    ///
    /// Exchanges are not split: an exchange that is larger than a batch is a batch by itself.
    pub(super) async fn next(&mut self, batch: &mut Vec<Vec<Span>>) -> bool {
        self.wait_for(1).await;
        let limits = self.queue.limits;
        // After a time-out the batch is what there is.
        let _ = timeout(limits.batch_wait, self.wait_for(limits.batch_spans)).await;
        let mut waiting = self.queue.lock();
        let (mut spans, mut bytes) = (0, 0);
        while let Some(next) = waiting.exchanges.front() {
            spans += next.spans.len();
            bytes += next.bytes;
            if !batch.is_empty() && (spans > limits.batch_spans || bytes > Limits::BATCH_BYTES) {
                break;
            }
            batch.extend(waiting.take());
        }
        !batch.is_empty()
    }

    /// Whether exchanges were dropped since this was last asked.
    pub(super) fn has_overflowed(&self) -> bool {
        std::mem::take(&mut self.queue.lock().overflowed)
    }

    /// Waits until the queue is closed.
    pub(super) async fn closed(&mut self) {
        while self.open.changed().await.is_ok() {}
    }

    /// Waits for so many spans, or until the queue is closed.
    async fn wait_for(&mut self, spans: usize) {
        let queue = Arc::clone(&self.queue);
        while queue.lock().spans < spans {
            tokio::select! {
                () = queue.filled.notified() => {}
                () = self.closed() => return,
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, spans: Vec<Span>) {
        let bytes = spans.iter().map(bytes).sum();
        self.spans += spans.len();
        self.bytes += bytes;
        self.exchanges.push_back(Exchange { spans, bytes });
    }

    /// Removes the oldest exchange.
    fn take(&mut self) -> Option<Vec<Span>> {
        let oldest = self.exchanges.pop_front()?;
        self.spans -= oldest.spans.len();
        self.bytes -= oldest.bytes;
        Some(oldest.spans)
    }
}

/// The memory of a span, without what the allocator adds.
fn bytes(span: &Span) -> usize {
    let links = span.links.iter();
    let states = links.map(|link| link.trace_state.as_ref().map_or(0, |list| list.len()));
    let events = span.events.iter();
    size_of::<Span>()
        + span.name.len()
        + span.trace_state.as_ref().map_or(0, |list| list.len())
        + span.error.as_ref().map_or(0, |error| error.len())
        + of_attributes(&span.attributes)
        + events
            .map(|event| size_of_val(event) + of_attributes(&event.attributes))
            .sum::<usize>()
        + size_of_val(&*span.links)
        + states.sum::<usize>()
}

fn of_attributes(attributes: &[Attribute]) -> usize {
    let texts = attributes.iter().map(|attribute| match &attribute.value {
        Value::Text(text) => text.len(),
        // Shared with other spans, but perhaps only with those in the queue.
        Value::Shared(text) => text.len(),
        Value::Bool(_) | Value::Int(_) => 0,
    });
    size_of_val(attributes) + texts.sum::<usize>()
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

    /// The sizes of the batches that are left after the queue is closed.
    async fn drain(sender: Sender, mut batches: Batches) -> Vec<usize> {
        drop(sender);
        let (mut sizes, mut batch) = (Vec::new(), Vec::new());
        while batches.next(&mut batch).await {
            sizes.push(batch.concat().len());
            batch.clear();
        }
        sizes
    }

    #[tokio::test]
    async fn a_full_queue_drops_its_oldest_exchanges_whole() {
        let (sender, batches) = queue(limits(100, 50));
        assert_eq!(sender.push(exchange(41)), 0);
        assert_eq!(sender.push(exchange(59)), 0);
        assert_eq!(sender.push(exchange(3)), 41);
        assert_eq!(sender.occupancy().spans, 62);
        assert!(batches.has_overflowed());
        assert!(!batches.has_overflowed());
        assert_eq!(drain(sender, batches).await, [59, 3]);
    }

    #[tokio::test]
    async fn an_exchange_larger_than_the_queue_is_kept_until_the_next() {
        let (sender, batches) = queue(limits(100, 50));
        assert_eq!(sender.push(exchange(300)), 0);
        assert_eq!(sender.push(exchange(1)), 300);
        assert_eq!(drain(sender, batches).await, [1]);
    }

    #[tokio::test]
    async fn bytes_bound_the_queue_too() {
        let (sender, batches) = queue(limits(100, 50));
        let large = || {
            let mut span = bare_span();
            span.name = "a".repeat(90 << 10).into();
            vec![span]
        };
        assert_eq!(sender.push(large()), 0);
        assert_eq!(sender.push(exchange(1)), 0);
        assert_eq!(sender.push(large()), 1);
        assert_eq!(drain(sender, batches).await, [2]);
    }

    #[tokio::test]
    async fn exchanges_that_fit_are_sent_together() {
        let (sender, mut batches) = queue(limits(1_000, 100));
        for _ in 0..5 {
            assert_eq!(sender.push(exchange(40)), 0);
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
