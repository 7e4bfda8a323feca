//! Hops that are events of their path (`hopspan run --detail path`). In: a data-plane span, as OTLP
//! and as the viewer keeps it. Out: a span for each such event, like the span that the agent sends
//! with `--detail hop`.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_semantic_conventions::attribute as otel;
use tracer_semconv::{HopName, Role, Side, attribute};

use super::attribute::{integer, string};
use super::names::Names;
use crate::id::SpanId;
use crate::span::{DataPlane, Kind, Layer, Span};

/// Hops of one path that are kept. Real paths have far fewer.
const MAX_HOPS: usize = 256;

/// The hop spans below `path`.
pub(super) fn below<'a>(otlp: &'a OtlpSpan, path: &Span, names: &mut Names<'a>) -> Vec<Span> {
    let Some(data_plane) = path
        .data_plane()
        .filter(|of| of.role.is_some_and(Role::is_path))
    else {
        return Vec::new();
    };
    let half = data_plane.half;
    let (mut hops, mut wires) = (Vec::new(), 0_u64);
    for event in otlp.events.iter().take(MAX_HOPS) {
        let Some(name) = string(&event.attributes, attribute::HOP) else {
            continue;
        };
        let id = if name == HopName::Wire.as_str() {
            wires += 1;
            id(path.id, None, wires)
        } else {
            id(path.id, Some(half), hops.len() as u64)
        };
        let Some(id) = id else { continue };
        let duration = integer(&event.attributes, attribute::DURATION_NS);
        let duration_ns = duration.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0);
        let interface = string(&event.attributes, otel::NETWORK_INTERFACE_NAME);
        hops.push(Span {
            id,
            parent: Some(path.id),
            start_ns: event.time_unix_nano,
            end_ns: event.time_unix_nano.saturating_add(duration_ns),
            name: names.get(name),
            kind: Kind::Other,
            resource: path.resource.clone(),
            failure: None,
            layer: Layer::DataPlane(DataPlane {
                role: Some(Role::Hop),
                hop: Some(names.get(name)),
                interface: interface.map(|name| names.get(name)),
                half: None,
                peer: None,
                facts: None,
            }),
        });
    }
    hops
}

/// The id of a hop: for a wire (`half` is `None`) the same from both nodes, for another hop
/// different for each half.
fn id(path: SpanId, half: Option<Option<Side>>, number: u64) -> Option<SpanId> {
    let mut hash = DefaultHasher::new();
    (path, half, number).hash(&mut hash);
    SpanId::from_bytes(&hash.finish().to_be_bytes())
}
