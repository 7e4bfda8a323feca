//! An OTLP receiver for a test. In: ExportTraceServiceRequest over gRPC and HTTP/protobuf. Out: all
//! spans, flat and unchecked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A span with its resource's attributes.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// Empty for a root.
    pub(crate) parent_id: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) status: StatusCode,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// With values as text.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) resource: BTreeMap<String, String>,
}

impl Span {
    /// The value of an attribute that the span must have.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes
            .get(name)
            .unwrap_or_else(|| panic!("no `{name}` on {self:#?}"))
    }

    /// `service.name` of the process that made the span.
    pub(crate) fn service(&self) -> &str {
        &self.resource["service.name"]
    }
}

/// The receiver, which ends with the test's runtime.
pub(crate) struct Collector {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    spans: Spans,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let spans = Spans::default();

        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let grpc = incoming.local_addr().unwrap();
        let service = TraceServiceServer::new(spans.clone());
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        tokio::spawn(serve_http(listener, spans.clone()));
        Self { grpc, http, spans }
    }

    /// All spans received so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.0.lock().unwrap().clone()
    }
}

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Span>>>);

impl Spans {
    fn add(&self, request: ExportTraceServiceRequest) {
        let mut spans = self.0.lock().unwrap();
        for group in request.resource_spans {
            let resource = flatten(
                group
                    .resource
                    .map(|resource| resource.attributes)
                    .unwrap_or_default(),
            );
            let received = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(received.map(|span| flat_span(span, &resource)));
        }
    }
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.add(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// OTLP/HTTP with binary protobuf: `POST /v1/traces`, answered with an empty message.
async fn serve_http(listener: TcpListener, spans: Spans) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let spans = spans.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let spans = spans.clone();
            async move {
                assert_eq!(request.uri().path(), "/v1/traces");
                assert_eq!(request.headers()["content-type"], "application/x-protobuf");
                let body = request.into_body().collect().await?.to_bytes();
                spans.add(ExportTraceServiceRequest::decode(body).unwrap());
                Ok::<_, hyper::Error>(hyper::Response::new(Empty::<Bytes>::new()))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn flat_span(span: otlp::Span, resource: &BTreeMap<String, String>) -> Span {
    Span {
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        kind: span.kind(),
        status: span.status.unwrap_or_default().code(),
        name: span.name,
        start_ns: span.start_time_unix_nano,
        end_ns: span.end_time_unix_nano,
        attributes: flatten(span.attributes),
        resource: resource.clone(),
    }
}

fn flatten(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .into_iter()
        .filter_map(|attribute| Some((attribute.key, text(attribute.value?.value?))))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
