//! The gRPC client of the driver service, with client spans. In: the customer's location. Out: the
//! nearest drivers. The process has one HTTP/2 connection, opened by the first call.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::HeaderInjector;
use opentelemetry_semantic_conventions::attribute::NETWORK_PROTOCOL_VERSION;
use tokio::net::TcpStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::addresses::SocketAddresses;
use crate::driver_service::{
    DriverLocation, DriverLocationRequest, DriverLocationResponse, FIND_NEAREST_PATH,
    FIND_NEAREST_SPAN, method_attributes, status_attribute,
};
use crate::telemetry::{ANSWERED_BY, POD_HEADER, record_failure, tracer};
use crate::upstream::Upstream;

/// The kernel repeats a lost SYN after 1, 3 and 7 s: three losses are survived.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// From sending a request until its whole response is read.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The driver service as the frontend sees it.
#[derive(Debug)]
pub(super) struct DriverClient {
    upstream: Upstream,
    channel: Channel,
    /// The addresses of the current connection: the channel opens another only after it has lost
    /// this one.
    addresses: Arc<Mutex<Option<SocketAddresses>>>,
}

impl DriverClient {
    /// Opens no connection yet. Must be called inside the runtime that will make the calls.
    ///
    /// # Errors
    /// When `upstream` cannot be a gRPC endpoint.
    pub(super) fn new(upstream: Upstream) -> anyhow::Result<Self> {
        let addresses = Arc::new(Mutex::new(None));
        let endpoint = Endpoint::from_shared(upstream.to_string())
            .with_context(|| format!("use {upstream} for gRPC"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(RESPONSE_TIMEOUT);
        let connector = {
            let (upstream, addresses) = (upstream.clone(), Arc::clone(&addresses));
            service_fn(move |_uri| connect(upstream.clone(), Arc::clone(&addresses)))
        };
        Ok(Self {
            upstream,
            channel: endpoint.connect_with_connector_lazy(connector),
            addresses,
        })
    }

    /// Calls FindNearest for `location` (as `x,y`), below the span of `cx`.
    ///
    /// # Errors
    /// The status of the call; `Unavailable` when there is no connection.
    pub(super) async fn find_nearest(
        &self,
        location: &str,
        cx: &Context,
    ) -> Result<Vec<DriverLocation>, Status> {
        let cx = self.start_span(cx);
        let result = self.call(location, &cx).await;
        self.end_span(&cx, &result);
        Ok(result?.into_inner().locations)
    }

    async fn call(
        &self,
        location: &str,
        cx: &Context,
    ) -> Result<Response<DriverLocationResponse>, Status> {
        let mut request = Request::new(DriverLocationRequest {
            location: location.to_owned(),
        });
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(cx, &mut HeaderInjector(request.metadata_mut().as_mut()));
        });
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| {
            Status::unavailable(format!("connect to {}: {error}", self.upstream))
        })?;
        let path = PathAndQuery::from_static(FIND_NEAREST_PATH);
        client.unary(request, path, ProstCodec::default()).await
    }

    fn start_span(&self, parent: &Context) -> Context {
        let mut attributes = Vec::from(method_attributes());
        attributes.push(KeyValue::new(NETWORK_PROTOCOL_VERSION, "2"));
        attributes.extend(self.upstream.attributes());
        let tracer = tracer();
        let span = tracer
            .span_builder(FIND_NEAREST_SPAN)
            .with_kind(SpanKind::Client)
            .with_attributes(attributes)
            .start_with_context(&tracer, parent);
        parent.with_span(span)
    }

    fn end_span(&self, cx: &Context, result: &Result<Response<DriverLocationResponse>, Status>) {
        let span = cx.span();
        span.set_attribute(status_attribute(result));
        let addresses = *self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = addresses {
            span.set_attributes(addresses.attributes());
        }
        match result {
            Ok(response) => {
                if let Some(pod) = response
                    .metadata()
                    .get(POD_HEADER)
                    .and_then(|pod| pod.to_str().ok())
                {
                    span.set_attribute(KeyValue::new(ANSWERED_BY, pod.to_owned()));
                }
            }
            Err(status) => record_failure(cx, status.code().to_string(), status.message()),
        }
        span.end();
    }
}

async fn connect(
    upstream: Upstream,
    addresses: Arc<Mutex<Option<SocketAddresses>>>,
) -> io::Result<TokioIo<TcpStream>> {
    let stream = upstream.connect().await?;
    let opened = SocketAddresses::of(&stream)?;
    *addresses.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    Ok(TokioIo::new(stream))
}
