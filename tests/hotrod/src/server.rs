//! An HTTP/1.1 server of one route, with server spans. In: a listener, an [`Endpoint`]. Out:
//! responses, each with the pod's name. Knows no service.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_semantic_conventions::attribute::{
    HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, NETWORK_PROTOCOL_VERSION, URL_PATH,
    URL_QUERY, URL_SCHEME,
};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::addresses::SocketAddresses;
use crate::telemetry::{POD_HEADER, record_failure, tracer};

/// How long requests in progress may take after SIGTERM or SIGINT.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A service: it answers GET requests on one route.
pub(crate) trait Endpoint: Send + Sync + 'static {
    /// The path, also `http.route`.
    const ROUTE: &'static str;

    /// Answers one request; `cx` holds its server span.
    fn answer(&self, query: Query, cx: &Context) -> impl Future<Output = Reply> + Send;
}

/// The decoded query of a request.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: Option<&str>) -> Self {
        Self(
            form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The first value of `name`.
    ///
    /// # Errors
    /// Status 400 when there is none.
    pub(crate) fn require(&self, name: &str) -> Result<&str, Reply> {
        let value = self
            .0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str());
        value.ok_or_else(|| {
            Reply::error(
                StatusCode::BAD_REQUEST,
                format_args!("query parameter `{name}` is missing"),
            )
        })
    }
}

/// A status and a JSON body.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Bytes,
}

#[derive(Serialize)]
struct ErrorBody {
    error: String,
}

impl Reply {
    /// Status 200.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, body)
    }

    /// `{"error": message}`.
    pub(crate) fn error(status: StatusCode, message: impl ToString) -> Self {
        Self::new(
            status,
            &ErrorBody {
                error: message.to_string(),
            },
        )
    }

    fn new(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self {
                status,
                body: body.into(),
            },
            Err(_) => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                body: Bytes::from_static(br#"{"error":"the answer cannot be written as json"}"#),
            },
        }
    }

    fn into_response(self, pod_name: &str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        if let Ok(pod_name) = HeaderValue::from_str(pod_name) {
            headers.insert(POD_HEADER, pod_name);
        }
        response
    }
}

/// Serves until `shutdown` completes, then finishes the requests in progress, for [`DRAIN_TIMEOUT`]
/// at most. An error on one connection ends that connection only.
pub(crate) async fn serve<E: Endpoint>(
    listener: TcpListener,
    endpoint: E,
    pod_name: Arc<str>,
    shutdown: impl Future<Output = ()>,
) {
    let endpoint = Arc::new(endpoint);
    let connections = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) => serve_connection(stream, &endpoint, &pod_name, &connections),
            Err(error) => {
                // Most likely there are no free descriptors: wait until connections close.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests in progress were cut off at exit");
    }
}

fn serve_connection<E: Endpoint>(
    stream: TcpStream,
    endpoint: &Arc<E>,
    pod_name: &Arc<str>,
    connections: &GracefulShutdown,
) {
    let addresses = match stream
        .set_nodelay(true)
        .and_then(|()| SocketAddresses::of(&stream))
    {
        Ok(addresses) => addresses,
        Err(error) => {
            tracing::debug!(%error, "connection ended before its first request");
            return;
        }
    };
    let (endpoint, pod_name) = (Arc::clone(endpoint), Arc::clone(pod_name));
    let service = service_fn(move |request: Request<Incoming>| {
        let (endpoint, pod_name) = (Arc::clone(&endpoint), Arc::clone(&pod_name));
        async move {
            let reply = traced_answer(&*endpoint, &request, addresses).await;
            Ok::<_, Infallible>(reply.into_response(&pod_name))
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
}

async fn traced_answer<E: Endpoint>(
    endpoint: &E,
    request: &Request<Incoming>,
    addresses: SocketAddresses,
) -> Reply {
    let known = request.uri().path() == E::ROUTE;
    let cx = start_span(request, known.then_some(E::ROUTE), addresses);
    let reply = if !known {
        Reply::error(
            StatusCode::NOT_FOUND,
            format_args!("there is only {} here", E::ROUTE),
        )
    } else if request.method() != Method::GET {
        Reply::error(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered")
    } else {
        endpoint
            .answer(Query::parse(request.uri().query()), &cx)
            .await
    };

    let status = i64::from(reply.status.as_u16());
    cx.span()
        .set_attribute(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, status));
    if reply.status.is_server_error() {
        record_failure(&cx, reply.status.as_str(), reply.status);
    }
    cx.span().end();
    reply
}

/// The server span: below the caller's span, or in a new trace where the request has no context or
/// a malformed one (W3C Trace Context, section 2.2).
fn start_span(
    request: &Request<Incoming>,
    route: Option<&'static str>,
    addresses: SocketAddresses,
) -> Context {
    let parent = global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &HeaderExtractor(request.headers()))
    });
    let method = request.method().as_str();
    let mut attributes = vec![
        KeyValue::new(HTTP_REQUEST_METHOD, method.to_owned()),
        KeyValue::new(URL_SCHEME, "http"),
        KeyValue::new(URL_PATH, request.uri().path().to_owned()),
        KeyValue::new(NETWORK_PROTOCOL_VERSION, "1.1"),
    ];
    attributes.extend(
        request
            .uri()
            .query()
            .map(|query| KeyValue::new(URL_QUERY, query.to_owned())),
    );
    attributes.extend(route.map(|route| KeyValue::new(HTTP_ROUTE, route)));
    attributes.extend(addresses.attributes());
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let tracer = tracer();
    let span = tracer
        .span_builder(name)
        .with_kind(SpanKind::Server)
        .with_attributes(attributes)
        .start_with_context(&tracer, &parent);
    parent.with_span(span)
}
