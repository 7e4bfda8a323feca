//! One OTLP span to the viewer's. In: a span, its resource and whether hopspan made it. Out: what
//! the viewer keeps of it. A span of hopspan that is shorter than a microsecond has the length that
//! its attribute gives.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_semantic_conventions::attribute as otel;
use tracer_semconv::{attribute, event, party};

use super::attribute::{integer, parsed, string, text, value};
use super::hops::hops;
use super::names::Names;
use crate::id::{ExchangeId, SpanId, TraceId};
use crate::span::{DataPlane, Facts, Kind, Layer, Resource, Sender, Span};
use crate::text::Text;

/// Shorter spans of hopspan have their length as an attribute.
pub(crate) const MICROSECOND_NS: u64 = 1_000;

pub(crate) fn resource(attributes: &[KeyValue]) -> Resource {
    let text = |key| string(attributes, key).map(Text::clean);
    Resource {
        service: text(otel::SERVICE_NAME).unwrap_or_else(|| Text::clean("unknown_service")),
        pod: text(otel::K8S_POD_NAME),
        sender: Sender {
            node: text(otel::K8S_NODE_NAME),
            host: text(otel::HOST_NAME),
            instance: text(otel::SERVICE_INSTANCE_ID),
        },
    }
}

pub(crate) fn span<'a>(
    otlp: &'a OtlpSpan,
    resource: &Arc<Resource>,
    by_hopspan: bool,
    names: &mut Names<'a>,
) -> Option<(TraceId, Span)> {
    let parent = match otlp.parent_span_id.as_slice() {
        [] | [0, 0, 0, 0, 0, 0, 0, 0] => None,
        bytes => Some(SpanId::from_bytes(bytes)?),
    };
    let span = Span {
        id: SpanId::from_bytes(&otlp.span_id)?,
        parent,
        start_ns: otlp.start_time_unix_nano,
        end_ns: end_ns(otlp, by_hopspan),
        name: names.get(&otlp.name),
        kind: match SpanKind::try_from(otlp.kind) {
            Ok(SpanKind::Client) => Kind::Client,
            Ok(SpanKind::Server) => Kind::Server,
            _ => Kind::Other,
        },
        resource: Arc::clone(resource),
        failure: failure(otlp),
        layer: if by_hopspan {
            Layer::DataPlane(data_plane(otlp, names))
        } else {
            Layer::Application
        },
    };
    Some((TraceId::from_bytes(&otlp.trace_id)?, span))
}

/// Back ends refuse spans without a length, so an agent's span of no length ends a microsecond after
/// its start.
fn end_ns(otlp: &OtlpSpan, by_hopspan: bool) -> u64 {
    let length = integer(&otlp.attributes, attribute::DURATION_NS).filter(|_| by_hopspan);
    let length = length.and_then(|ns| u64::try_from(ns).ok());
    match length.filter(|&ns| ns < MICROSECOND_NS) {
        Some(ns) => otlp.start_time_unix_nano.saturating_add(ns),
        None => otlp.end_time_unix_nano,
    }
}

/// A span with `error.type` or an error status failed. `http.response.status_code` alone is no
/// failure: a client error on a server span is no failure of the server (OpenTelemetry semantic
/// conventions for HTTP).
fn failure(otlp: &OtlpSpan) -> Option<Text> {
    if let Some(error_type) = text(&otlp.attributes, otel::ERROR_TYPE) {
        return Some(error_type);
    }
    let status = otlp
        .status
        .as_ref()
        .filter(|s| s.code == StatusCode::Error as i32)?;
    if !status.message.is_empty() {
        return Some(Text::clean(&status.message));
    }
    let http_status = integer(&otlp.attributes, otel::HTTP_RESPONSE_STATUS_CODE);
    Some(http_status.map_or_else(
        || Text::clean("error"),
        |code| Text::clean(&format!("HTTP {code}")),
    ))
}

fn data_plane<'a>(otlp: &'a OtlpSpan, names: &mut Names<'a>) -> DataPlane {
    let attributes = &otlp.attributes[..];
    let length_ns = end_ns(otlp, true).saturating_sub(otlp.start_time_unix_nano);
    let hops = string(attributes, attribute::HOPS).and_then(|text| hops(text, length_ns, names));
    let facts = Facts {
        zero_window_ns: zero_window_ns(otlp),
        hops: hops.unwrap_or_default(),
        ..facts(attributes)
    };
    DataPlane {
        role: parsed(attributes, attribute::ROLE),
        hop: string(attributes, attribute::HOP).map(|name| names.get(name)),
        interface: string(attributes, otel::NETWORK_INTERFACE_NAME).map(|name| names.get(name)),
        exchange: string(attributes, attribute::EXCHANGE_ID).and_then(ExchangeId::from_hex),
        half: parsed(attributes, attribute::HALF),
        peer: None,
        facts: (facts != Facts::default()).then(|| Box::new(facts)),
    }
}

fn facts(attributes: &[KeyValue]) -> Facts {
    let text = |key| text(attributes, key);
    Facts {
        nat_original: text(attribute::NAT_ORIGINAL),
        nat_translated: text(attribute::NAT_TRANSLATED),
        nat_masquerade: text(attribute::NAT_MASQUERADE),
        rule: text(attribute::KUBE_PROXY_RULE),
        retransmits: integer(attributes, attribute::TCP_RETRANSMITS).map_or(0, i64::cast_unsigned),
        drop_reason: text(attribute::DROP_REASON),
        drop_hop: text(attribute::DROP_HOP),
        drop_by: text(attribute::DROP_BY),
        refusal: text(attribute::KUBE_PROXY_REFUSAL),
        rules_service: text(attribute::KUBE_PROXY_SERVICE),
        correlation: text(attribute::CORRELATION),
        zero_window_ns: None,
        incomplete: incomplete(attributes),
        source: source(attributes),
        service: text(otel::K8S_SERVICE_NAME),
        pod: text(party::DESTINATION.pod_name),
        destination: destination(attributes),
        skew: None,
        hops: Box::default(),
    }
}

/// A window that did not open again has no duration, and counts as 0.
fn zero_window_ns(otlp: &OtlpSpan) -> Option<u64> {
    let events = otlp.events.iter();
    let windows = events.filter(|event| event.name == event::TCP_ZERO_WINDOW);
    let times = windows.map(|event| {
        let time = integer(&event.attributes, attribute::TCP_ZERO_WINDOW_NS);
        time.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0)
    });
    times.reduce(u64::saturating_add)
}

/// `hopspan.incomplete` is `true`, or names what is missing.
fn incomplete(attributes: &[KeyValue]) -> Option<Text> {
    match value(attributes, attribute::INCOMPLETE)? {
        Value::BoolValue(true) => Some(Text::clean("")),
        Value::StringValue(what) => Some(Text::clean(what)),
        _ => None,
    }
}

/// The first name that is known: the workload, the pod, the address.
fn source(attributes: &[KeyValue]) -> Option<Text> {
    let keys = [
        party::SOURCE.deployment_name,
        party::SOURCE.stateful_set_name,
        party::SOURCE.daemon_set_name,
        party::SOURCE.replica_set_name,
        party::SOURCE.cron_job_name,
        party::SOURCE.job_name,
        party::SOURCE.pod_name,
        otel::SOURCE_ADDRESS,
    ];
    keys.into_iter().find_map(|key| text(attributes, key))
}

fn destination(attributes: &[KeyValue]) -> Option<Text> {
    let address = string(attributes, otel::DESTINATION_ADDRESS)?;
    match integer(attributes, otel::DESTINATION_PORT) {
        Some(port) if address.contains(':') => Some(Text::clean(&format!("[{address}]:{port}"))),
        Some(port) => Some(Text::clean(&format!("{address}:{port}"))),
        None => Some(Text::clean(address)),
    }
}
