//! A request by traces, with all that it says of their spans. In: one `ExportTraceServiceRequest`.
//! Out: one for each trace in it, encoded. And back. Knows no spans of the viewer.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::id::TraceId;
use crate::store::Source;

/// Divides a request. Spans without a valid trace id are left out.
pub(crate) fn by_trace(request: &ExportTraceServiceRequest) -> Vec<(TraceId, Source)> {
    let mut traces: HashMap<TraceId, Vec<ResourceSpans>> = HashMap::new();
    for resource_spans in &request.resource_spans {
        let mut of_resource: HashMap<TraceId, Vec<ScopeSpans>> = HashMap::new();
        for scope_spans in &resource_spans.scope_spans {
            let mut of_scope: HashMap<TraceId, Vec<Span>> = HashMap::new();
            for span in &scope_spans.spans {
                if let Some(id) = TraceId::from_bytes(&span.trace_id) {
                    of_scope.entry(id).or_default().push(span.clone());
                }
            }
            for (id, spans) in of_scope {
                of_resource.entry(id).or_default().push(ScopeSpans {
                    scope: scope_spans.scope.clone(),
                    schema_url: scope_spans.schema_url.clone(),
                    spans,
                });
            }
        }
        for (id, scope_spans) in of_resource {
            traces.entry(id).or_default().push(ResourceSpans {
                resource: resource_spans.resource.clone(),
                schema_url: resource_spans.schema_url.clone(),
                scope_spans,
            });
        }
    }
    let traces = traces.into_iter();
    let encoded = traces.map(|(id, resource_spans)| {
        let request = ExportTraceServiceRequest { resource_spans };
        (id, request.encode_to_vec().into())
    });
    encoded.collect()
}

/// The requests again.
pub(crate) fn requests(sources: &[Source]) -> Vec<ExportTraceServiceRequest> {
    let sources = sources.iter().cloned();
    // The encoding is our own.
    sources
        .filter_map(|source| ExportTraceServiceRequest::decode(source).ok())
        .collect()
}
