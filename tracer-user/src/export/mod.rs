//! Exports spans to a collector by OTLP.
//!
//! In: the spans of exchanges, through a bounded queue. Out: batches over gRPC or HTTP, configured
//! by the OTEL_EXPORTER_OTLP_* variables. The only module that knows OTLP.
//!
//! A batch that the collector cannot take now is kept and sent again, while the spans behind it fill
//! the queue. Every span ends in one counter: made = sent + failed + dropped + waiting, and nothing
//! waits after [`Exporter::finish`].

mod encode;
mod limits;
mod outage;
mod printable;
mod queue;
#[cfg(test)]
mod reference;
mod resource;
mod retry;
mod settings;
mod transport;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prost::bytes::Bytes;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracer_pipeline::span::Span;

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

    /// Puts the spans of an exchange into the queue. Where it is full, older spans are dropped and
    /// counted.
    pub fn push(&self, spans: Vec<Span>) {
        let made = spans.len() as u64;
        self.counts.made.fetch_add(made, Ordering::Relaxed);
        let dropped = self.queue.push(spans) as u64;
        if dropped > 0 && self.counts.dropped.fetch_add(dropped, Ordering::Relaxed) == 0 {
            tracing::error!("the oldest spans are dropped: the export queue is full");
        }
    }

    /// How many spans may be made at a time: more would displace each other in the queue.
    pub fn room(&self) -> usize {
        usize::try_from(self.queue.occupancy().max_spans).unwrap_or(usize::MAX)
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

async fn export(
    transport: Transport,
    mut encoder: Encoder,
    mut batches: Batches,
    counts: Arc<Counts>,
) {
    let mut batch = Vec::new();
    let mut outage = Outage::default();
    while batches.next(&mut batch).await {
        let spans = batch.iter().map(Vec::len).sum::<usize>() as u64;
        let request = encoder.request(&batch);
        batch.clear();
        match deliver(&transport, &request, &mut batches, &mut outage).await {
            Delivery::Accepted { refused } => {
                let refused = refused.min(spans);
                counts.failed.fetch_add(refused, Ordering::Relaxed);
                counts.sent.fetch_add(spans - refused, Ordering::Relaxed);
            }
            Delivery::Refused => {
                counts.failed.fetch_add(spans, Ordering::Relaxed);
            }
            Delivery::Displaced => {
                counts.dropped.fetch_add(spans, Ordering::Relaxed);
            }
        }
    }
}

/// What becomes of a batch.
enum Delivery {
    Accepted {
        refused: u64,
    },
    Refused,
    /// The queue behind it overflowed: the batch has the oldest spans.
    Displaced,
}

/// Sends a request, and again after an error that may pass, for as long as the queue has room for
/// what comes behind it. Span ids are derived, so that a collector that gets a request twice sees
/// the same spans.
async fn deliver(
    transport: &Transport,
    request: &Bytes,
    batches: &mut Batches,
    outage: &mut Outage,
) -> Delivery {
    let mut backoff = Backoff::new();
    // Exchanges that were dropped before this batch was taken from the queue do not concern it.
    batches.has_overflowed();
    loop {
        let error = match transport.send(request.clone()).await {
            Ok(Answer { refused, message }) => {
                outage.accepted();
                if refused > 0 || !message.is_empty() {
                    outage.warning(&message, refused);
                }
                return Delivery::Accepted { refused };
            }
            Err(error) => error,
        };
        outage.failed(&error);
        if !error.can_retry {
            return Delivery::Refused;
        }
        let pause = backoff.pause(error.retry_after);
        let at_the_end = match error.retry_after {
            Some(_) => pause,
            None => pause.min(LAST_PAUSE),
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = async { batches.closed().await; sleep(at_the_end).await } => {}
        }
        if batches.has_overflowed() {
            return Delivery::Displaced;
        }
    }
}

#[cfg(test)]
mod tests;
