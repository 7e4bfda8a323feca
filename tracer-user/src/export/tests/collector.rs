//! A collector that gives the answers of a script, and accepts everything after it.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{self, Body},
    extract::State,
    http::{HeaderMap, Response, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::{net::TcpListener, sync::watch};
use tonic::Status;

const GRPC: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// An answer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Status, headers and body.
    Http(u16, Vec<(&'static str, String)>, Vec<u8>),
    Grpc(Status),
    /// None.
    Hang,
    /// The connection is closed.
    Close,
}

#[derive(Debug, Default)]
struct Received {
    script: Mutex<VecDeque<Reply>>,
    headers: Mutex<Vec<HeaderMap>>,
    /// The spans of accepted requests.
    spans: Mutex<usize>,
}

/// A running collector.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    received: Arc<Received>,
    task: tokio::task::JoinHandle<()>,
}

impl Collector {
    pub(super) async fn start(script: Vec<Reply>) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), script).await
    }

    pub(super) async fn start_at(address: SocketAddr, script: Vec<Reply>) -> Self {
        let received = Arc::new(Received {
            script: Mutex::new(script.into()),
            ..Received::default()
        });
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, Arc::clone(&received)));
        Self {
            address,
            received,
            task,
        }
    }

    /// Closes its port.
    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn requests(&self) -> usize {
        self.received.headers.lock().unwrap().len()
    }

    pub(super) fn spans(&self) -> usize {
        *self.received.spans.lock().unwrap()
    }

    /// The values of a header, one for each request.
    pub(super) fn headers(&self, name: &str) -> Vec<String> {
        let headers = self.received.headers.lock().unwrap();
        let values = headers.iter().filter_map(|headers| headers.get(name));
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }
}

/// Serves both protocols on one port: gRPC is HTTP/2 with a path of its own.
async fn accept(listener: TcpListener, received: Arc<Received>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (close, mut closed) = watch::channel(false);
        let router = Router::new()
            .route("/v1/traces", post(answer))
            .route(GRPC, post(answer))
            .with_state((Arc::clone(&received), close));
        tokio::spawn(async move {
            let service = hyper_util::service::TowerToHyperService::new(router);
            let builder =
                hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let stream = hyper_util::rt::TokioIo::new(stream);
            tokio::select! {
                _ = builder.serve_connection(stream, service) => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
    }
}

async fn answer(
    State((received, close)): State<(Arc<Received>, watch::Sender<bool>)>,
    request: axum::extract::Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let is_grpc = head.uri.path() == GRPC;
    received.headers.lock().unwrap().push(head.headers);
    let body = body::to_bytes(body, 1 << 20).await.unwrap();
    // gRPC has a flag and a length before the message.
    let message = body.slice(if is_grpc { 5 } else { 0 }..);
    let message = ExportTraceServiceRequest::decode(message).unwrap();
    let reply = received.script.lock().unwrap().pop_front();
    match reply {
        None => {
            let scopes = message.resource_spans.iter().flat_map(|of| &of.scope_spans);
            let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
            *received.spans.lock().unwrap() += spans;
            accepted(is_grpc)
        }
        Some(Reply::Http(status, headers, body)) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Reply::Grpc(status)) => status.into_http(),
        Some(Reply::Hang) => std::future::pending().await,
        Some(Reply::Close) => {
            close.send_replace(true);
            std::future::pending().await
        }
    }
}

fn accepted(is_grpc: bool) -> Response<Body> {
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    if !is_grpc {
        return Response::new(Body::from(answer));
    }
    // A message, and the status behind it. Without trailers the status may be in the head.
    let mut response = Response::new(Body::from([&[0, 0, 0, 0, 0], &*answer].concat()));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    headers.insert("grpc-status", "0".parse().unwrap());
    response
}
