//! Requests to what the viewer keeps.

use std::collections::HashMap;
use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tracer_view::decode::decode;
use tracer_view::span::Span;
use tracer_view::store::{Limits, Store};

/// Limits that no test reaches.
pub(crate) const WIDE: Limits = Limits {
    traces: 1_000,
    spans: 1_000_000,
    spans_per_trace: 1_000_000,
    source_bytes: 0,
};

/// The spans of all requests, in their order.
pub(crate) fn spans(requests: &[ExportTraceServiceRequest]) -> Vec<Span> {
    let decoded = requests.iter().flat_map(|request| decode(request).spans);
    decoded.map(|(_, span)| span).collect()
}

/// A store that has received the requests in their order.
pub(crate) fn store<'a>(
    requests: impl IntoIterator<Item = &'a ExportTraceServiceRequest>,
    limits: Limits,
) -> Store {
    let mut store = Store::new(limits);
    for request in requests {
        store.insert(decode(request).spans, Instant::now());
    }
    store
}

/// The spans by their ids as numbers. No two spans may have the same id.
pub(crate) fn by_id(spans: &[Span]) -> HashMap<u64, Span> {
    let id = |span: &Span| u64::from_str_radix(&span.id.to_string(), 16).unwrap();
    let by_id: HashMap<u64, Span> = spans.iter().map(|span| (id(span), span.clone())).collect();
    assert_eq!(by_id.len(), spans.len(), "two spans have one id");
    by_id
}
