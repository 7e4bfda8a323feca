//! The driver service. In: gRPC calls of `driver.DriverService/FindNearest` over cleartext HTTP/2.
//! Out: ten drivers and their locations, the same ten for the same location.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_semantic_conventions::attribute::NETWORK_PROTOCOL_VERSION;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::server::Grpc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::addresses::SocketAddresses;
use crate::city::{Location, scatter, simulate_work};
use crate::driver_service::{
    DriverLocation, DriverLocationRequest, DriverLocationResponse, FIND_NEAREST_PATH,
    FIND_NEAREST_SPAN, method_attributes, status_attribute,
};
use crate::server::DRAIN_TIMEOUT;
use crate::telemetry::{POD_HEADER, record_failure, tracer};

/// Drivers in a response, as in HotROD.
const NEAREST: usize = 10;

/// Serves until `shutdown` completes, then finishes the calls in progress, for [`DRAIN_TIMEOUT`] at
/// most.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    pod_name: Arc<str>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let (drain, drained) = oneshot::channel::<()>();
    let service = service_fn(move |request| dispatch(request, Arc::clone(&pod_name)));
    let mut server =
        pin!(
            Server::builder().serve_with_incoming_shutdown(service, incoming, async {
                // It ends when the sender is dropped.
                let _ = drained.await;
            })
        );
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        () = shutdown => {}
    }
    drop(drain);
    match timeout(DRAIN_TIMEOUT, server).await {
        Ok(ended) => ended?,
        Err(_) => tracing::warn!("calls in progress were cut off at exit"),
    }
    Ok(())
}

async fn dispatch(
    request: http::Request<Body>,
    pod_name: Arc<str>,
) -> Result<http::Response<Body>, Infallible> {
    if request.uri().path() != FIND_NEAREST_PATH {
        return Ok(
            Status::unimplemented(format!("there is only {FIND_NEAREST_PATH} here")).into_http(),
        );
    }
    let method = service_fn(move |request| {
        let pod_name = Arc::clone(&pod_name);
        async move {
            let mut response = traced_find_nearest(request).await?;
            if let Ok(pod_name) = AsciiMetadataValue::try_from(&*pod_name) {
                response.metadata_mut().insert(POD_HEADER, pod_name);
            }
            Ok(response)
        }
    });
    Ok(Grpc::new(ProstCodec::default())
        .unary(method, request)
        .await)
}

async fn traced_find_nearest(
    request: Request<DriverLocationRequest>,
) -> Result<Response<DriverLocationResponse>, Status> {
    let cx = start_span(&request);
    let result = find_nearest(request.get_ref()).await;
    cx.span().set_attribute(status_attribute(&result));
    if let Err(status) = &result
        && is_server_fault(status.code())
    {
        record_failure(&cx, status.code().to_string(), status.message());
    }
    cx.span().end();
    result.map(Response::new)
}

async fn find_nearest(request: &DriverLocationRequest) -> Result<DriverLocationResponse, Status> {
    let customer: Location = request
        .location
        .parse()
        .map_err(|error| Status::invalid_argument(format!("{error}")))?;
    let location = customer.to_string();
    simulate_work(
        Duration::from_micros(3500),
        Duration::from_millis(1),
        &location,
    )
    .await;
    Ok(DriverLocationResponse {
        locations: (0..NEAREST)
            .map(|rank| driver_near(&location, rank))
            .collect(),
    })
}

fn driver_near(location: &str, rank: usize) -> DriverLocation {
    let spread = scatter(&format!("{location}#{rank}"));
    // Three independent numbers, below 1,000 and 100,000, from 64 bits.
    let (x, y, number) = (
        spread % 1000,
        (spread >> 16) % 1000,
        (spread >> 32) % 100_000,
    );
    DriverLocation {
        driver_id: format!("T7{number:05}C"),
        location: Location::new(x as u16, y as u16).to_string(),
    }
}

/// The codes for which a server span is an error (semantic conventions, gRPC): the caller causes
/// the others.
fn is_server_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

fn start_span<M>(request: &Request<M>) -> Context {
    let metadata: &MetadataMap = request.metadata();
    let parent = global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &HeaderExtractor(metadata.as_ref()))
    });
    let mut attributes = Vec::from(method_attributes());
    attributes.push(KeyValue::new(NETWORK_PROTOCOL_VERSION, "2"));
    if let (Some(local), Some(peer)) = (request.local_addr(), request.remote_addr()) {
        attributes.extend(SocketAddresses { local, peer }.attributes());
    }
    let tracer = tracer();
    let span = tracer
        .span_builder(FIND_NEAREST_SPAN)
        .with_kind(SpanKind::Server)
        .with_attributes(attributes)
        .start_with_context(&tracer, &parent);
    parent.with_span(span)
}
