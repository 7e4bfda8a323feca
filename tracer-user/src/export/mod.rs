//! Exports spans to a collector by OTLP.
//!
//! In: the spans of exchanges, through a bounded queue. Out: batches over gRPC or HTTP, configured
//! by the OTEL_EXPORTER_OTLP_* variables. The only module that knows OTLP.
//!
//! A batch that the collector cannot take now goes back to the queue and is sent again. Where the queue
//! is full, the pair of client and service that holds most of it loses its oldest exchange. Every span
//! ends in one counter: made = sent + failed + dropped + waiting, and nothing waits after
//! [`Exporter::finish`].

mod encode;
mod fair_queue;
mod limits;
mod outage;
mod printable;
mod queue;
#[cfg(test)]
mod reference;
mod resource;
mod retry;
mod settings;
mod size;
mod transport;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracer_pipeline::{
    pipeline::SpanSink,
    span::{Edge, Span},
};

pub use encode::Encoder;
pub use limits::DEFAULT_QUEUE_BYTES;
pub use queue::QueueOccupancy;
pub use resource::node_name;
pub use settings::SettingsError;
pub use transport::TransportError;

use limits::Limits;
use outage::Outage;
use queue::{Batches, Sender};
use retry::Backoff;
use transport::{Answer, Transport};

/// The longest pause before a batch is sent again while the agent ends, unless the collector asks
/// for another.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Counters of spans, by result.
#[derive(Debug, Default)]
pub struct Counts {
    made: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    /// Counts spans that are dropped because the queue is full.
    fn dropped(&self, spans: usize) {
        let spans = spans as u64;
        if spans > 0 && self.dropped.fetch_add(spans, Ordering::Relaxed) == 0 {
            tracing::error!("spans are dropped: the export queue is full");
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            made: self.made.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// The values of [`Counts`] at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// All spans that were to be exported.
    pub made: u64,
    /// Accepted by the collector.
    pub sent: u64,
    /// Refused by the collector for good, or not accepted before the agent ended.
    pub failed: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
}

/// The export: the queue's sender, and the task that sends batches.
pub struct Exporter {
    queue: Sender,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts the task that exports.
    ///
    /// # Errors
    ///
    /// When a variable of OpenTelemetry is invalid, or TLS cannot be set up.
    pub fn start() -> Result<Self, TransportError> {
        let limits = Limits::from_environment()?;
        resource::check_environment()?;
        Ok(Self::new(Transport::from_environment()?, limits))
    }

    fn new(transport: Transport, limits: Limits) -> Self {
        let encoder = Encoder::for_this_node();
        let counts = Arc::new(Counts::default());
        let (queue, batches) = queue::queue(limits);
        let task = tokio::spawn(export(transport, encoder, batches, Arc::clone(&counts)));
        Self {
            queue,
            counts,
            task,
        }
    }

    /// Puts the spans of an exchange into the queue. Where it is full, spans are dropped and counted.
    pub fn push(&self, edge: &Edge, spans: Vec<Span>) {
        let made = spans.len() as u64;
        self.counts.made.fetch_add(made, Ordering::Relaxed);
        self.counts.dropped(self.queue.push(edge, spans));
    }

    /// The counters of spans so far.
    pub fn totals(&self) -> Totals {
        self.counts.totals()
    }

    /// How full the queue is.
    pub fn queue(&self) -> QueueOccupancy {
        self.queue.occupancy()
    }

    /// Sends the queued spans, for at most `deadline` and until `interrupted`. What is not accepted
    /// by then counts as failed.
    pub async fn finish(self, deadline: Duration, interrupted: impl Future<Output = ()>) -> Totals {
        let Self {
            queue,
            counts,
            mut task,
        } = self;
        drop(queue);
        let given_up = tokio::select! {
            ended = timeout(deadline, &mut task) => ended.is_err(),
            () = interrupted => true,
        };
        if given_up {
            task.abort();
            // Fails because it was aborted. From here on nothing changes the counters.
            let _ = task.await;
        }
        let totals = counts.totals();
        let left = totals.made - totals.sent - totals.failed - totals.dropped;
        if left > 0 {
            tracing::error!(
                "gave up flushing: the collector has not accepted the last {left} spans"
            );
        }
        Totals {
            failed: totals.failed + left,
            ..totals
        }
    }
}

impl SpanSink for Exporter {
    fn add(&mut self, edge: &Edge, spans: Vec<Span>) {
        self.push(edge, spans);
    }
}

/// Sends batches until the queue is closed and empty. A batch that the collector cannot take now goes
/// back to the queue, where it shares the room with what comes behind it. Span ids are derived, so that a
/// collector that gets a span twice sees the same span.
async fn export(
    transport: Transport,
    mut encoder: Encoder,
    mut batches: Batches,
    counts: Arc<Counts>,
) {
    let mut outage = Outage::default();
    let mut backoff = Backoff::new();
    while let Some(batch) = batches.next().await {
        let spans = batch.iter().map(|taken| taken.exchange.size.spans as u64);
        let spans: u64 = spans.sum();
        let error = match transport.send(encoder.request(&batch)).await {
            Ok(Answer { refused, message }) => {
                outage.accepted();
                if refused > 0 || !message.is_empty() {
                    outage.warning(&message, refused);
                }
                let refused = refused.min(spans);
                counts.failed.fetch_add(refused, Ordering::Relaxed);
                counts.sent.fetch_add(spans - refused, Ordering::Relaxed);
                backoff = Backoff::new();
                continue;
            }
            Err(error) => error,
        };
        outage.failed(&error);
        if error.can_retry {
            counts.dropped(batches.give_back(batch));
            let before_retry = backoff.pause(error.retry_after);
            pause(before_retry, error.retry_after, &mut batches).await;
        } else {
            counts.failed.fetch_add(spans, Ordering::Relaxed);
            backoff = Backoff::new();
        }
    }
}

/// Waits before a batch is sent again; while the agent ends, for a second at most unless the collector
/// asks for more.
async fn pause(before_retry: Duration, asked: Option<Duration>, batches: &mut Batches) {
    let at_the_end = match asked {
        Some(_) => before_retry,
        None => before_retry.min(LAST_PAUSE),
    };
    tokio::select! {
        () = sleep(before_retry) => {}
        () = async { batches.closed().await; sleep(at_the_end).await } => {}
    }
}

#[cfg(test)]
mod tests;
