//! OpenTelemetry as any service would set it up. In: the `OTEL_*` variables. Out: a tracer for the
//! process, W3C propagation, spans exported in batches by OTLP. Knows no service and no span.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use opentelemetry_semantic_conventions::resource::{K8S_POD_NAME, SERVICE_NAME};
use tokio::runtime::Handle;

/// Spans that may wait for export; the SDK drops further ones. The frontend makes 13 for each
/// dispatch, so those of 2,000 dispatches fit while nothing can be exported. The SDK allocates the
/// whole queue at start, some 400 bytes a span.
const QUEUE_SPANS: usize = 32_768;

/// How long the last export may take: longer than the exporter's own 10 s, so that the exporter's
/// error is reported.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(15);

/// The response header or gRPC metadata key with the name of the pod that answered.
pub(crate) const POD_HEADER: &str = "x-pod";

/// Client span attribute: the value of [`POD_HEADER`] in the response.
pub(crate) const ANSWERED_BY: &str = "hotrod.answered_by";

/// The process's tracing, from start to flush.
pub(crate) struct Telemetry {
    provider: SdkTracerProvider,
    pod_name: Arc<str>,
}

impl Telemetry {
    /// Sets the global tracer provider and propagator. `service` is the `service.name` where the
    /// environment sets none. Sampling follows `OTEL_TRACES_SAMPLER`, parent-based by default.
    ///
    /// # Errors
    /// When a protocol variable names an unknown protocol, or an endpoint is not a URL.
    pub(crate) fn start(service: &'static str, runtime: &Handle) -> anyhow::Result<Self> {
        let detected = Resource::builder().build();
        let pod_name = pod_name(&detected);
        let resource = complete_resource(&detected, service, &pod_name);

        let mut batch = BatchConfigBuilder::default();
        if env::var_os("OTEL_BSP_MAX_QUEUE_SIZE").is_none() {
            batch = batch.with_max_queue_size(QUEUE_SPANS);
        }
        let processor = BatchSpanProcessor::builder(exporter(runtime)?)
            .with_batch_config(batch.build())
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(processor)
            .build();

        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self { provider, pod_name })
    }

    /// The value that the servers of this process send in [`POD_HEADER`].
    pub(crate) fn pod_name(&self) -> Arc<str> {
        Arc::clone(&self.pod_name)
    }

    /// Exports every span that has ended, and none after that. Blocks; the runtime given to
    /// [`Telemetry::start`] must still run. A failure is logged and is no error of the process:
    /// only spans are lost.
    pub(crate) fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::error!(%error, "spans were lost at exit; is the OTLP endpoint reachable?");
        }
    }
}

/// The tracer for every span of this application.
pub(crate) fn tracer() -> BoxedTracer {
    global::tracer("hotrod")
}

/// Marks the span of `cx` as failed. `kind` is an HTTP status, a gRPC status or the name of an
/// error, and must have few values; `description` may be any text.
pub(crate) fn record_failure(
    cx: &Context,
    kind: impl Into<String>,
    description: impl fmt::Display,
) {
    let span = cx.span();
    span.set_attribute(KeyValue::new(ERROR_TYPE, kind.into()));
    span.set_status(Status::error(description.to_string()));
}

/// The exporter for the protocol that the environment sets.
///
/// The batch processor exports on a thread of its own, without a runtime. gRPC keeps its connection
/// in `runtime`; for HTTP only the blocking client works there.
fn exporter(runtime: &Handle) -> anyhow::Result<SpanExporter> {
    let variables = [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ];
    let chosen = variables
        .into_iter()
        .find_map(|name| Some((name, env::var(name).ok().filter(|value| !value.is_empty())?)));
    match chosen.as_ref().map(|(name, value)| (*name, value.as_str())) {
        None | Some((_, "grpc")) => {
            let _in_runtime = runtime.enter();
            SpanExporter::builder().with_tonic().build()
        }
        Some((_, "http/protobuf")) => SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(http_client())
            .build(),
        Some((name, value)) => {
            bail!("{name} is `{value}`; use `grpc` or `http/protobuf`")
        }
    }
    .context("build the OTLP exporter")
}

/// A client for endpoints without TLS. In a workspace build reqwest has the agent's TLS feature,
/// and then panics without a default crypto provider.
fn http_client() -> reqwest::blocking::Client {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::blocking::Client::new()
}

/// POD_NAME, which the downward API sets, else the resource's `k8s.pod.name`, else the host name,
/// which in a pod is the pod's name.
fn pod_name(detected: &Resource) -> Arc<str> {
    let from_environment = env::var("POD_NAME").ok().filter(|name| !name.is_empty());
    let from_resource = || {
        detected
            .get(&Key::from_static_str(K8S_POD_NAME))
            .map(|name| name.to_string())
    };
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_environment.or_else(from_resource).or_else(from_kernel);
    name.as_deref().map_or("unknown", str::trim).into()
}

/// The environment's resource, with `service.name` and `k8s.pod.name` added where it lacks them.
fn complete_resource(detected: &Resource, service: &'static str, pod_name: &str) -> Resource {
    let mut builder = Resource::builder();
    let service_name = detected.get(&Key::from_static_str(SERVICE_NAME));
    if service_name.is_none_or(|name| name.as_str().starts_with("unknown_service")) {
        builder = builder.with_service_name(service);
    }
    if detected.get(&Key::from_static_str(K8S_POD_NAME)).is_none() {
        builder = builder.with_attribute(KeyValue::new(K8S_POD_NAME, pod_name.to_owned()));
    }
    builder.build()
}
