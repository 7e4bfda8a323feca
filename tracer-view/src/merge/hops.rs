//! A span for each hop that is a part of an attribute, like the spans that agents send with
//! `--detail hop`. In: spans. Out: the same spans, then those of the hops.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use tracer_semconv::Role;

use crate::id::SpanId;
use crate::span::{DataPlane, Hop, Kind, Layer, Span};

/// Spans, and for each the position of the one that it was sent in: its own, or its path's.
pub(super) struct Expanded {
    pub(super) spans: Vec<Span>,
    pub(super) sent_in: Vec<usize>,
}

pub(super) fn expand(spans: &[Span]) -> Expanded {
    let mut expanded = Expanded {
        spans: spans.to_vec(),
        sent_in: (0..spans.len()).collect(),
    };
    let hops = spans.iter().filter(|span| span.role() == Some(Role::Hop));
    let with_spans: HashSet<SpanId> = hops.filter_map(|hop| hop.parent).collect();
    for (at, path) in spans.iter().enumerate() {
        let is_path = path.role().is_some_and(Role::is_path);
        if !is_path || with_spans.contains(&path.id) {
            continue;
        }
        let mut start_ns = path.start_ns;
        for (number, hop) in path.hops().iter().enumerate() {
            let Some(span) = span(path, hop, number, start_ns) else {
                continue;
            };
            start_ns = span.end_ns;
            expanded.spans.push(span);
            expanded.sent_in.push(at);
        }
    }
    expanded
}

fn span(path: &Span, hop: &Hop, number: usize, start_ns: u64) -> Option<Span> {
    let mut hash = DefaultHasher::new();
    (path.id, number).hash(&mut hash);
    Some(Span {
        id: SpanId::from_bytes(&hash.finish().to_be_bytes())?,
        parent: Some(path.id),
        start_ns,
        end_ns: start_ns.saturating_add(hop.duration_ns),
        name: hop.name.clone(),
        kind: Kind::Other,
        resource: Arc::clone(&path.resource),
        failure: None,
        layer: Layer::DataPlane(DataPlane {
            role: Some(Role::Hop),
            hop: Some(hop.name.clone()),
            interface: hop.interface.clone(),
            exchange: None,
            half: None,
            peer: None,
            facts: None,
        }),
    })
}
