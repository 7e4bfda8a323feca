//! Exports spans to a collector by OTLP.
//!
//! In: the spans of exchanges, through a bounded queue. Out: batches over gRPC or HTTP, configured
//! by the OTEL_EXPORTER_OTLP_* variables. The only module that knows OTLP.

mod encode;
mod limits;
mod queue;
#[cfg(test)]
mod reference;
mod resource;
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
use tracer_pipeline::span::Span;

pub use encode::Encoder;
pub use queue::QueueOccupancy;
pub use resource::node_name;
pub use settings::SettingsError;
pub use transport::TransportError;

use limits::Limits;
use queue::{Batches, Sender};
use transport::{SendError, Transport};

/// Pauses before a failed batch is sent again. After the last attempt the batch is given up.
const RETRY_WAITS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// The bound of the pause that a collector asks for with Retry-After.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Counters of spans, by result.
#[derive(Debug, Default)]
pub struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    fn totals(&self) -> Totals {
        Totals {
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// The values of [`Counts`] at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Accepted by the collector.
    pub sent: u64,
    /// Refused by the collector, or lost because the collector could not be reached.
    pub failed: u64,
    /// Dropped because the queue was full, although callers check [`Exporter::room`] first.
    pub dropped: u64,
}

/// The export: the queue's sender, and the task that sends batches.
pub struct Exporter {
    queue: Sender,
    counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
}

impl Exporter {
    /// Starts the task that exports.
    ///
    /// # Errors
    ///
    /// When an OTEL_EXPORTER_OTLP_* variable is invalid, or TLS cannot be set up.
    pub fn start() -> Result<Self, TransportError> {
        let transport = Transport::from_environment()?;
        let encoder = Encoder::for_this_node();
        let counts = Arc::new(Counts::default());
        let (queue, batches) = queue::queue(Limits::from_environment());
        let task = tokio::spawn(export(transport, encoder, batches, Arc::clone(&counts)));
        Ok(Self {
            queue,
            counts,
            task,
        })
    }

    /// Puts the spans of an exchange into the queue. Without [`room`](Self::room) they are dropped
    /// and counted.
    pub fn push(&self, spans: Vec<Span>) {
        if let Err(spans) = self.queue.push(spans) {
            let dropped = spans.len() as u64;
            if self.counts.dropped.fetch_add(dropped, Ordering::Relaxed) == 0 {
                tracing::error!("spans are dropped: the export queue is full");
            }
        }
    }

    /// How many more spans the queue takes. The last exchange may exceed it.
    pub fn room(&self) -> usize {
        self.queue.room()
    }

    /// The counters of spans so far.
    pub fn totals(&self) -> Totals {
        self.counts.totals()
    }

    /// How full the queue is.
    pub fn queue(&self) -> QueueOccupancy {
        self.queue.queue()
    }

    /// Sends the queued spans, for at most `deadline`.
    pub async fn finish(self, deadline: Duration) -> Totals {
        let Self {
            queue,
            counts,
            task,
        } = self;
        drop(queue);
        if tokio::time::timeout(deadline, task).await.is_err() {
            tracing::error!("gave up flushing spans after {} s", deadline.as_secs());
        }
        counts.totals()
    }
}

async fn export(
    transport: Transport,
    mut encoder: Encoder,
    mut batches: Batches,
    counts: Arc<Counts>,
) {
    let mut batch = Vec::new();
    while batches.next(&mut batch).await {
        let spans = batch.iter().map(Vec::len).sum::<usize>() as u64;
        let request = encoder.request(&batch);
        batch.clear();
        let failed = match send(&transport, request).await {
            Ok(refused) => refused.min(spans),
            Err(error) => {
                if counts.failed.load(Ordering::Relaxed) == 0 {
                    tracing::error!(
                        "spans are lost: {error}; is OTEL_EXPORTER_OTLP_ENDPOINT right?"
                    );
                }
                spans
            }
        };
        counts.failed.fetch_add(failed, Ordering::Relaxed);
        counts.sent.fetch_add(spans - failed, Ordering::Relaxed);
    }
}

/// Sends a request, and again after an error that may pass. Span ids are derived, so that a
/// collector that gets a request twice sees the same spans. Returns how many spans the collector
/// refused.
async fn send(transport: &Transport, request: Bytes) -> Result<u64, SendError> {
    for wait in RETRY_WAITS {
        match transport.send(request.clone()).await {
            Err(error) if error.can_retry => {
                let asked = error.retry_after.unwrap_or_default();
                tokio::time::sleep(wait.max(asked.min(MAX_WAIT))).await;
            }
            done => return done,
        }
    }
    transport.send(request).await
}

#[cfg(test)]
mod tests;
