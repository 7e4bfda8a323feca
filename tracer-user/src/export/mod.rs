//! Spans to a collector, by OTLP.
//!
//! In: the spans of exchanges, through a bounded queue. Out: batches over gRPC or HTTP, as the OTEL_EXPORTER_OTLP_*
//! variables say. The only stage that knows OTLP.

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
pub use queue::Queue;
pub use resource::node_name;
pub use settings::SettingsError;
pub use transport::TransportError;

use limits::Limits;
use queue::{Entrance, Exit};
use transport::{SendError, Transport};

/// Waits before a failed batch is sent again; after the last it is given up.
const RETRY_WAITS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// A collector that asks for more patience is asked again nonetheless: what waits meanwhile is bounded.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// What became of the spans.
#[derive(Debug, Default)]
pub struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Taken by the collector.
    pub sent: u64,
    /// Refused by the collector, or it could not be reached.
    pub failed: u64,
    /// Dropped because the queue was full, though whoever made them was to ask first.
    pub dropped: u64,
}

/// The way into the queue.
pub struct Exporter {
    queue: Entrance,
    counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
}

impl Exporter {
    /// Starts to export.
    ///
    /// # Errors
    ///
    /// When the OTEL_EXPORTER_OTLP_* variables make no sense.
    pub fn start() -> Result<Self, TransportError> {
        let transport = Transport::from_environment()?;
        let encoder = Encoder::for_this_node();
        let counts = Arc::new(Counts::default());
        let (queue, exit) = queue::queue(Limits::from_environment());
        let task = tokio::spawn(export(transport, encoder, exit, Arc::clone(&counts)));
        Ok(Self {
            queue,
            counts,
            task,
        })
    }

    /// Puts the spans of an exchange into the queue. Where there was no [`room`](Self::room) before, they
    /// are dropped and counted.
    pub fn push(&self, spans: Vec<Span>) {
        if let Err(spans) = self.queue.push(spans) {
            let dropped = spans.len() as u64;
            if self.counts.dropped.fetch_add(dropped, Ordering::Relaxed) == 0 {
                tracing::error!("spans are dropped: the export queue is full");
            }
        }
    }

    /// How many spans more the queue takes. The last exchange may be more than that.
    pub fn room(&self) -> usize {
        self.queue.room()
    }

    /// What became of the spans so far.
    pub fn totals(&self) -> Totals {
        Totals {
            sent: self.counts.sent.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
        }
    }

    /// How full the queue is.
    pub fn queue(&self) -> Queue {
        self.queue.queue()
    }

    /// Sends what is queued, for at most `deadline`.
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
        Totals {
            sent: counts.sent.load(Ordering::Relaxed),
            failed: counts.failed.load(Ordering::Relaxed),
            dropped: counts.dropped.load(Ordering::Relaxed),
        }
    }
}

async fn export(transport: Transport, encoder: Encoder, mut exit: Exit, counts: Arc<Counts>) {
    let mut batch = Vec::new();
    while exit.batch(&mut batch).await {
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

/// Sends a request, again if need be: span ids are derived, so a collector that has taken a request
/// whose answer was lost sees the same spans again and not new ones. Returns how many it has refused.
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
