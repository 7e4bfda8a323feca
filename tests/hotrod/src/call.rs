//! An HTTP client call with its span. In: a connection lease, a parent context, a target. Out: the
//! response, and a client span that starts before connecting and ends when the body has been read.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{HOST, HeaderMap, HeaderValue, InvalidHeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, StatusCode, Uri};
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::HeaderInjector;
use opentelemetry_semantic_conventions::attribute::{
    HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, NETWORK_PROTOCOL_VERSION, URL_FULL,
    URL_TEMPLATE,
};

use crate::addresses::SocketAddresses;
use crate::pool::{Lease, PoolError};
use crate::telemetry::{ANSWERED_BY, POD_HEADER, record_failure, tracer};
use crate::upstream::Upstream;

/// The target of a request, which is always a GET.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    path: &'static str,
    path_and_query: PathAndQuery,
}

impl Target {
    /// `path` with `query` percent-encoded after it.
    pub(crate) fn new(path: &'static str, query: &[(&str, &str)]) -> Self {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let path_and_query = PathAndQuery::try_from(format!("{path}?{query}"))
            // Unreachable: what the serializer writes is valid in a query.
            .unwrap_or_else(|_| PathAndQuery::from_static(path));
        Self {
            path,
            path_and_query,
        }
    }

    /// A request for this target, with the headers every request of this application has.
    ///
    /// # Errors
    /// [`CallError::Host`].
    pub(crate) fn request(&self, upstream: &Upstream) -> Result<Request<Empty<Bytes>>, CallError> {
        let host =
            HeaderValue::from_str(upstream.authority()).map_err(|source| CallError::Host {
                upstream: upstream.clone(),
                source,
            })?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from(self.path_and_query.clone());
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("hotrod/", env!("CARGO_PKG_VERSION"))),
        );
        Ok(request)
    }
}

/// Why a call has no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the host of {upstream} is not a header value")]
    Host {
        upstream: Upstream,
        source: InvalidHeaderValue,
    },
    #[error(transparent)]
    Pool(#[from] PoolError),
}

impl CallError {
    /// The value of `error.type`, which has few values.
    fn kind(&self) -> &'static str {
        match self {
            Self::Host { .. } => "host",
            Self::Pool(PoolError::Connect { .. }) => "connect",
            Self::Pool(PoolError::Http { .. }) => "http",
            Self::Pool(PoolError::Body { .. }) => "body",
            Self::Pool(PoolError::Timeout { .. }) => "timeout",
        }
    }
}

/// Starts the client span of a call to `target`, below the span of `parent` if it has one.
///
/// It is apart from [`get`], so that a caller has the trace id also when the call fails.
pub(crate) fn start_span(upstream: &Upstream, target: &Target, parent: &Context) -> Context {
    let mut attributes = vec![
        KeyValue::new(HTTP_REQUEST_METHOD, "GET"),
        KeyValue::new(URL_FULL, format!("{upstream}{}", target.path_and_query)),
        KeyValue::new(URL_TEMPLATE, target.path),
        KeyValue::new(NETWORK_PROTOCOL_VERSION, "1.1"),
    ];
    attributes.extend(upstream.attributes());
    let tracer = tracer();
    let span = tracer
        .span_builder(format!("GET {}", target.path))
        .with_kind(SpanKind::Client)
        .with_attributes(attributes)
        .start_with_context(&tracer, parent);
    parent.with_span(span)
}

/// Calls `target` over the connection of `lease` and ends the client span of `cx`, from
/// [`start_span`], when the body has been read or the call has failed. `extra` headers are sent
/// unchanged.
///
/// # Errors
/// [`CallError`]. A response of any status is no error.
pub(crate) async fn get(
    lease: &mut Lease,
    target: &Target,
    extra: &HeaderMap,
    cx: &Context,
) -> Result<Response<Bytes>, CallError> {
    let result = exchange(lease, target, extra, cx).await;
    match &result {
        Ok(response) => record_response(cx, response),
        Err(error) => record_failure(cx, error.kind(), error),
    }
    cx.span().end();
    result
}

async fn exchange(
    lease: &mut Lease,
    target: &Target,
    extra: &HeaderMap,
    cx: &Context,
) -> Result<Response<Bytes>, CallError> {
    let mut request = target.request(lease.upstream())?;
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(cx, &mut HeaderInjector(request.headers_mut()));
    });
    append(request.headers_mut(), extra);
    let connected = |addresses: SocketAddresses| cx.span().set_attributes(addresses.attributes());
    Ok(lease.exchange(request, connected).await?)
}

/// Appends `extra`, so that a caller can send a header twice.
pub(crate) fn append(headers: &mut HeaderMap, extra: &HeaderMap) {
    for (name, value) in extra {
        headers.append(name, value.clone());
    }
}

fn record_response(cx: &Context, response: &Response<Bytes>) {
    let span = cx.span();
    let status = response.status();
    span.set_attribute(KeyValue::new(
        HTTP_RESPONSE_STATUS_CODE,
        i64::from(status.as_u16()),
    ));
    if let Some(pod) = response
        .headers()
        .get(POD_HEADER)
        .and_then(|pod| pod.to_str().ok())
    {
        span.set_attribute(KeyValue::new(ANSWERED_BY, pod.to_owned()));
    }
    if is_failure(status) {
        record_failure(cx, status.as_str(), status);
    }
}

/// For a client 4xx is a failure too; for a server it is not (semantic conventions, HTTP spans).
fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}
