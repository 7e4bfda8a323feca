//! Receives OTLP. In: OTLP over gRPC ([`grpc`]) and HTTP ([`http`]) from listening sockets
//! ([`listen`]). Out: batches of spans, through a bounded queue to one task. Knows no traces and no
//! store.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::sync::mpsc;

use crate::decode::decode;
use crate::id::TraceId;
use crate::span::Span;

pub mod grpc;
pub mod http;
pub mod listen;

/// The size of the largest request that is accepted, in bytes, before and after decompression. The
/// OpenTelemetry SDKs send 512 spans at a time, which is a few hundred kilobytes.
pub const MAX_REQUEST_BYTES: usize = 16 << 20;

/// Requests in the queue to the task that stores them. When the queue is full, senders wait; see
/// [`Busy`].
pub const QUEUED_REQUESTS: usize = 16;

/// How long a sender waits for room in the queue.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// One request, decoded.
#[derive(Debug)]
pub struct Batch {
    /// The accepted spans.
    pub spans: Vec<(TraceId, Span)>,
    /// The number of spans without valid ids.
    pub rejected: u64,
    /// The request as it was received.
    pub request: ExportTraceServiceRequest,
}

/// The queue stayed full; the sender should send the request again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the viewer's queue is full; send again later")]
pub struct Busy;

/// Takes the requests of both protocols.
#[derive(Debug, Clone)]
pub struct Intake {
    batches: mpsc::Sender<Batch>,
}

impl Intake {
    /// An intake, and the receiver of its batches. The receiver closes when all clones of the
    /// intake are dropped.
    pub fn new() -> (Self, mpsc::Receiver<Batch>) {
        let (batches, receiver) = mpsc::channel(QUEUED_REQUESTS);
        (Self { batches }, receiver)
    }

    /// Decodes a request, queues it, and returns the answer: success, or partial success when spans
    /// were rejected.
    ///
    /// # Errors
    /// [`Busy`] when the queue stayed full for some seconds, or the viewer is ending.
    pub async fn accept(
        &self,
        request: ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Busy> {
        let decoded = decode(&request);
        let rejected = decoded.rejected;
        let batch = Batch {
            spans: decoded.spans,
            rejected,
            request,
        };
        self.batches
            .send_timeout(batch, QUEUE_TIMEOUT)
            .await
            .map_err(|_| Busy)?;
        let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: rejected.cast_signed(),
            error_message: "spans need a trace id of 16 bytes and a span id of 8, neither all zero"
                .to_owned(),
        });
        Ok(ExportTraceServiceResponse { partial_success })
    }
}
