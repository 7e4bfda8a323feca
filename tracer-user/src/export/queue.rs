//! The spans that wait to be sent.
//!
//! In: the spans of an exchange, together. Out: batches of whole exchanges. Bounded by spans: an exchange
//! is taken as long as fewer wait, and whole, so that one at most is above the bound.

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

/// The spans that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// How many wait to be sent.
    pub spans: u64,
    /// How many can, before exchanges are shed.
    pub max_spans: u64,
}

/// Where exchanges are put in.
pub(super) struct Entrance {
    exchanges: mpsc::Sender<Vec<Span>>,
    waiting: Arc<AtomicUsize>,
    max_spans: usize,
}

/// Where batches are taken out.
pub(super) struct Exit {
    exchanges: mpsc::Receiver<Vec<Span>>,
    waiting: Arc<AtomicUsize>,
    limits: Limits,
    /// Did not fit into the batch before.
    held: Option<Vec<Span>>,
}

/// A queue within these bounds.
pub(super) fn queue(limits: Limits) -> (Entrance, Exit) {
    // An exchange has one span at least, so the spans are what fills it.
    let (entrance, exit) = mpsc::channel(limits.queue_spans);
    let waiting = Arc::new(AtomicUsize::new(0));
    let entrance = Entrance {
        exchanges: entrance,
        waiting: Arc::clone(&waiting),
        max_spans: limits.queue_spans,
    };
    let exit = Exit {
        exchanges: exit,
        waiting,
        limits,
        held: None,
    };
    (entrance, exit)
}

impl Entrance {
    /// Puts the spans of an exchange in.
    ///
    /// # Errors
    /// Gives them back where there is no room.
    pub(super) fn push(&self, spans: Vec<Span>) -> Result<(), Vec<Span>> {
        let count = spans.len();
        if self.room() == 0 {
            return Err(spans);
        }
        // Before they are in: they may be out again at once.
        self.waiting.fetch_add(count, Ordering::Relaxed);
        self.exchanges.try_send(spans).map_err(|error| {
            self.waiting.fetch_sub(count, Ordering::Relaxed);
            match error {
                TrySendError::Full(spans) | TrySendError::Closed(spans) => spans,
            }
        })
    }

    /// How many spans more can wait; 0 once the exporter has ended.
    pub(super) fn room(&self) -> usize {
        let waiting = self.waiting.load(Ordering::Relaxed);
        self.max_spans.saturating_sub(waiting)
    }

    /// How full it is.
    pub(super) fn queue(&self) -> Queue {
        Queue {
            spans: self.waiting.load(Ordering::Relaxed) as u64,
            max_spans: self.max_spans as u64,
        }
    }
}

impl Exit {
    /// Waits for an exchange, and then until the batch is full or its time is over. `false`: nothing is
    /// left, and nothing will come.
    ///
    /// Exchanges are not cut: one that is larger than a batch is a batch of its own.
    pub(super) async fn batch(&mut self, batch: &mut Vec<Vec<Span>>) -> bool {
        let first = match self.held.take() {
            Some(held) => Some(held),
            None => self.exchanges.recv().await,
        };
        let Some(first) = first else { return false };
        let count = self.add(first, batch);
        // What was received before the time was over is in the batch, or held.
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

    /// How many were added.
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

    use tracer_pipeline::{
        http::trace_context::{SpanId, TraceId},
        span::Span,
    };

    use super::*;

    fn exchange(spans: usize) -> Vec<Span> {
        let span = Span {
            trace_id: TraceId([1; 16]),
            trace_state: None,
            span_id: SpanId([2; 8]),
            parent_id: SpanId([3; 8]),
            name: "a".into(),
            start_unix_ns: 1,
            end_unix_ns: 2,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            error: None,
        };
        vec![span; spans]
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
        let (entrance, mut exit) = queue(limits(100, 50));
        assert_eq!(entrance.push(exchange(40)), Ok(()));
        assert_eq!(entrance.push(exchange(59)), Ok(()));
        assert_eq!(entrance.room(), 1);
        assert_eq!(entrance.push(exchange(40)), Ok(()));
        assert_eq!(entrance.push(exchange(3)), Err(exchange(3)));
        assert_eq!(entrance.queue().spans, 139);
        let mut sizes = Vec::new();
        drop(entrance.exchanges);
        let mut batch = Vec::new();
        while exit.batch(&mut batch).await {
            sizes.push(batch.concat().len());
            batch.clear();
        }
        assert_eq!(sizes, [40, 59, 40]);
        assert_eq!(entrance.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn exchanges_that_fit_are_sent_together() {
        let (entrance, mut exit) = queue(limits(1_000, 100));
        for _ in 0..5 {
            assert_eq!(entrance.push(exchange(40)), Ok(()));
        }
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let mut batch = Vec::new();
            assert!(exit.batch(&mut batch).await);
            sizes.push(batch.concat().len());
        }
        // The last waits in vain for more.
        assert_eq!(sizes, [80, 80, 40]);
    }
}
