//! OTLP to spans. In: one `ExportTraceServiceRequest`. Out: the spans that the viewer keeps, and
//! the number of rejected ones. Attributes that the viewer does not show are not kept. Knows no
//! transport and no store.

mod attribute;
mod hops;
pub(crate) mod names;
pub(crate) mod span;

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tracer_semconv::scope;

use self::names::Names;
use self::span::{resource, span};
use crate::id::TraceId;
use crate::span::Span;

/// The contents of one request.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Accepted spans, in their order.
    pub spans: Vec<(TraceId, Span)>,
    /// The number of spans whose trace id, span id or parent id is invalid (wrong length, or all
    /// zero).
    pub rejected: u64,
}

/// Decodes a request. Never fails: invalid spans are counted.
pub fn decode(request: &ExportTraceServiceRequest) -> Decoded {
    let mut names = Names::default();
    let mut decoded = Decoded::default();
    for resource_spans in &request.resource_spans {
        let attributes = resource_spans
            .resource
            .as_ref()
            .map_or(&[][..], |r| &r.attributes);
        let resource = Arc::new(resource(attributes));
        for scope_spans in &resource_spans.scope_spans {
            let by_hopspan = scope_spans
                .scope
                .as_ref()
                .is_some_and(|s| s.name == scope::NAME);
            for otlp in &scope_spans.spans {
                match span(otlp, &resource, by_hopspan, &mut names) {
                    Some(span) => decoded.spans.push(span),
                    None => decoded.rejected += 1,
                }
            }
        }
    }
    decoded
}
