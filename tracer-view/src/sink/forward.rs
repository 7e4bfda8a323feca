//! Sends every request on to a collector. In: requests, through a bounded queue for which the
//! receiver never waits. Out: OTLP over gRPC or HTTP. Each request is sent once; failures are
//! counted, and the first is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::receive::MAX_REQUEST_BYTES;
use crate::text::Text;

/// Requests in the queue to the collector. When the queue is full, requests are dropped and
/// counted.
pub const QUEUED_REQUESTS: usize = 64;

/// A request that takes longer has failed.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long queued requests are still sent when the viewer ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A URL that cannot be forwarded to.
#[derive(Debug, thiserror::Error)]
#[error(
    "--forward {url}: {problem}; give http://HOST:4317 for gRPC or http://HOST:4318/v1/traces for HTTP"
)]
pub struct UrlError {
    url: String,
    problem: &'static str,
}

/// The queue to the collector and the task that empties it.
#[derive(Debug)]
pub struct Forward {
    queue: mpsc::Sender<ExportTraceServiceRequest>,
    sender: JoinHandle<()>,
    tally: Arc<Tally>,
}

impl Forward {
    /// Starts the task on the current runtime. The collector may start later.
    ///
    /// # Errors
    /// [`UrlError`] when `url` is not a URL, not http, or its path is neither empty nor ends in
    /// /v1/traces.
    pub fn start(url: &str) -> Result<Self, UrlError> {
        let target = Target::new(url).map_err(|problem| UrlError {
            url: url.to_owned(),
            problem,
        })?;
        let tally = Arc::new(Tally {
            url: url.to_owned(),
            ..Tally::default()
        });
        let (queue, requests) = mpsc::channel(QUEUED_REQUESTS);
        let sender = tokio::spawn(send_all(target, requests, Arc::clone(&tally)));
        Ok(Self {
            queue,
            sender,
            tally,
        })
    }

    /// Queues a request, or drops and counts it.
    pub fn send(&self, request: ExportTraceServiceRequest) {
        Tally::add(&self.tally.offered, spans(&request));
        if self.queue.try_send(request).is_err() {
            self.tally.warn("the collector is too slow");
        }
    }

    /// Sends the queued requests, for at most [`FLUSH_TIMEOUT`]. Returns the numbers of requests
    /// and spans that were lost.
    pub async fn finish(self) -> (u64, u64) {
        drop(self.queue);
        let abort = self.sender.abort_handle();
        if timeout(FLUSH_TIMEOUT, self.sender).await.is_err() {
            abort.abort();
            self.tally.warn("the collector is too slow");
        }
        self.tally.lost()
    }
}

async fn send_all(
    mut target: Target,
    mut requests: mpsc::Receiver<ExportTraceServiceRequest>,
    tally: Arc<Tally>,
) {
    while let Some(request) = requests.recv().await {
        let spans = spans(&request);
        match timeout(SEND_TIMEOUT, target.send(request)).await {
            Ok(Ok(())) => Tally::add(&tally.sent, spans),
            Ok(Err(problem)) => tally.warn(&problem),
            Err(_) => tally.warn("no answer in time"),
        }
    }
}

fn spans(request: &ExportTraceServiceRequest) -> u64 {
    let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
    scopes.map(|s| s.spans.len() as u64).sum()
}

/// Requests and spans that were offered, and that were sent.
#[derive(Debug, Default)]
struct Tally {
    url: String,
    offered: [AtomicU64; 2],
    sent: [AtomicU64; 2],
    has_warned: AtomicBool,
}

impl Tally {
    fn add([requests, all_spans]: &[AtomicU64; 2], spans: u64) {
        requests.fetch_add(1, Ordering::Relaxed);
        all_spans.fetch_add(spans, Ordering::Relaxed);
    }

    fn lost(&self) -> (u64, u64) {
        let lost = |i: usize| {
            self.offered[i].load(Ordering::Relaxed) - self.sent[i].load(Ordering::Relaxed)
        };
        (lost(0), lost(1))
    }

    /// Prints the first failure. The others are only counted: an unreachable collector fails every
    /// request alike.
    fn warn(&self, problem: &str) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let problem = Text::clean(problem);
            eprintln!(
                "warning: forward to {}: {problem}; further failures are counted and not printed",
                self.url
            );
        }
    }
}

struct HttpTarget {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
}

enum Target {
    Grpc(TraceServiceClient<Channel>),
    Http(Box<HttpTarget>),
}

impl Target {
    fn new(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "not a URL")?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err("not an http URL");
        }
        if uri.path().ends_with("/v1/traces") {
            let client = Client::builder(TokioExecutor::new()).build_http();
            return Ok(Self::Http(Box::new(HttpTarget { client, uri })));
        }
        if !matches!(uri.path(), "" | "/") {
            return Err("its path does not end in /v1/traces");
        }
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| "not a URL")?;
        let channel = endpoint.connect_timeout(SEND_TIMEOUT).connect_lazy();
        let client = TraceServiceClient::new(channel).max_encoding_message_size(usize::MAX);
        Ok(Self::Grpc(client))
    }

    async fn send(&mut self, request: ExportTraceServiceRequest) -> Result<(), String> {
        match self {
            Self::Grpc(client) => match client.export(request).await {
                Ok(_) => Ok(()),
                Err(status) => Err(format!("{}: {}", status.code(), status.message())),
            },
            Self::Http(target) => target.post(request).await,
        }
    }
}

impl HttpTarget {
    async fn post(&self, request: ExportTraceServiceRequest) -> Result<(), String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::from(request.encode_to_vec()))
            .map_err(|error| error.to_string())?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| innermost(&error))?;
        let status = response.status();
        // hyper reuses a connection after its response was read; a response beyond the limit is not
        // read to its end.
        let _ = Limited::new(response.into_body(), MAX_REQUEST_BYTES)
            .collect()
            .await;
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("HTTP {status}"))
        }
    }
}

/// hyper's own message is "client error (Connect)"; its innermost source has the reason.
fn innermost(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.last().map_or_else(String::new, ToString::to_string)
}
