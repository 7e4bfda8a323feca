//! The requests that a collector receives over HTTP and over gRPC, also after errors.

use std::{net::SocketAddr, sync::Mutex};

use axum::{Router, body, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use prost::Message as _;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

use super::{reference::bare_span, settings::Settings, *};

/// Answers the first request with a temporary error, and refuses one span of the second.
#[derive(Debug, Default)]
struct Collector {
    /// The values of `b3` and `x` that came with each request, and its spans.
    requests: Mutex<Vec<(String, String, usize)>>,
}

impl Collector {
    /// The response; `None` for a temporary error.
    fn take(
        &self,
        header: impl Fn(&str) -> String,
        request: &ExportTraceServiceRequest,
    ) -> Option<ExportTraceServiceResponse> {
        let scopes = request.resource_spans.iter().flat_map(|of| &of.scope_spans);
        let spans = scopes.map(|scope| scope.spans.len()).sum();
        let mut requests = self.requests.lock().unwrap();
        requests.push((header("b3"), header("x"), spans));
        (requests.len() > 1).then(|| ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: 1,
                error_message: "too long".into(),
            }),
        })
    }
}

async fn over_http(
    State(collector): State<Arc<Collector>>,
    request: axum::extract::Request,
) -> (StatusCode, Vec<u8>) {
    let (head, body) = request.into_parts();
    let body = body::to_bytes(body, 1 << 20).await.unwrap();
    let header = |name: &str| {
        let value = head.headers.get(name);
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header("content-type"), "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    match collector.take(header, &request) {
        Some(response) => (StatusCode::OK, response.encode_to_vec()),
        None => (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
    }
}

struct OverGrpc(Arc<Collector>);

#[tonic::async_trait]
impl TraceService for OverGrpc {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let header = |name: &str| {
            let value = request.metadata().get(name);
            value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        let response = self.0.take(header, request.get_ref());
        response
            .map(Response::new)
            .ok_or_else(|| Status::unavailable("later"))
    }
}

/// Serves both on one port: gRPC is HTTP/2 with a path of its own.
async fn serve(collector: &Arc<Collector>) -> SocketAddr {
    let grpc = TraceServiceServer::new(OverGrpc(Arc::clone(collector)));
    let router = Router::new()
        .route("/v1/traces", post(over_http))
        .with_state(Arc::clone(collector))
        .route_service(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            grpc,
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn check(protocol: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let collector = Arc::new(Collector::default());
    let endpoint = format!("http://{}", serve(&collector).await);
    let settings = Settings::from(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "OTEL_EXPORTER_OTLP_PROTOCOL" => Some(protocol.into()),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("x=a%20b".into()),
        _ => None,
    });
    let transport = Transport::of(settings.unwrap()).unwrap();
    let counts = Arc::new(Counts::default());
    let (sender, batches) = queue::queue(Limits::default());
    assert!(sender.push(vec![bare_span(); 3]).is_ok());
    drop(sender);
    let encoder = Encoder::for_this_node();
    export(transport, encoder, batches, Arc::clone(&counts)).await;
    // The same request twice: the first got a temporary error.
    let request = ("0".to_owned(), "a b".to_owned(), 3);
    let came = collector.requests.lock().unwrap().clone();
    assert_eq!(came, [request.clone(), request], "{protocol}");
    assert_eq!(counts.sent.load(Ordering::Relaxed), 2);
    assert_eq!(counts.failed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn over_http_a_request_is_sent_again_after_a_temporary_error() {
    check("http/protobuf").await;
}

#[tokio::test]
async fn over_grpc_a_request_is_sent_again_after_a_temporary_error() {
    check("grpc").await;
}

#[tokio::test]
async fn an_unreachable_collector_is_a_temporary_error() {
    let settings = Settings::from(|name| match name {
        // The port of the discard service, on which nothing listens.
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://127.0.0.1:9".into()),
        _ => None,
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let transport = Transport::of(settings.unwrap()).unwrap();
    let error = transport.send(Bytes::from_static(b"")).await.unwrap_err();
    assert!(error.can_retry, "{error}");
}
